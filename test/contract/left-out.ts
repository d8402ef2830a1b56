/** Clauses by what they need: spelled out here once, for every adapter that goes without it. */
export const WITHOUT_SERVER = {
  'no server to reach': [
    'says REGISTRY_UNREACHABLE and where, to whatever is asked of an address where nobody answers',
    'tells a watcher `failed`, not `absent`, at an address where nobody answers',
  ],
  'no credentials': ['says REGISTRY_DENIED to wrong credentials'],
  'no server to stop': ['tells watchers `failed`, never `absent`, when its server stops'],
  'no server to restart': [
    'finds its way back after the server restarted: instances register again, watchers hear again',
  ],
} as const;

export const WITHOUT_LEASES = {
  'entries have no lease': [
    'keeps an instance that is renewed, beyond its lease',
    'drops the instance of a process that was killed, within its lease, and keeps the others',
  ],
} as const;

export const WRITABLE = {
  'instances are registered': ['lets a service start that it has no place for: what it registers is ignored'],
} as const;

export const READ_ONLY = {
  'no server to reach': WITHOUT_SERVER['no server to reach'],
  'no credentials': WITHOUT_SERVER['no credentials'],
  'read-only': [
    ...WITHOUT_SERVER['no server to stop'],
    ...WITHOUT_SERVER['no server to restart'],
    ...WITHOUT_LEASES['entries have no lease'],
    'shows one client what another registered',
    'replaces the record of the same id, and adds none',
    'shows all of 200 instances that registered at once',
    'takes out one of two instances and keeps the other',
    'takes an instance out twice, or one it never had, without complaint',
    'refuses a record that breaks the rules, and names the field',
    'lists a service no longer once its last instance is gone',
    'tells a watcher what other clients register, change and take out',
    'loses no change between the first state and the next',
    'tells a slow listener the newest state, however many it missed',
    'shows everybody the same record after concurrent changes, the last one',
    'does not wake the watchers of `order` for `orders`',
    'calls nobody after unsubscribe, which may be called twice',
    'lets a listener unsubscribe inside its own call',
    'keeps a listener that throws from harming the others, and itself',
    'renews an instance that it knows',
    'says LEASE_LOST to the renewal of an instance that it forgot, and takes it again',
    'says LEASE_LOST to the renewal of an instance that it never had',
    'calls no listener after close, and may be closed twice',
  ],
} as const;
