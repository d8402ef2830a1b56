import type { NetworkInterfaceInfo } from 'node:os';

/** As `os.networkInterfaces()` has it. */
export type Interfaces = Readonly<
  Record<string, readonly Pick<NetworkInterfaceInfo, 'address' | 'family' | 'internal'>[] | undefined>
>;

/** Bridges, container networks, virtual machines and tunnels: reached from this host at most, or by a chosen few. */
const VIRTUAL =
  /^(?:docker|br-|veth|virbr|vmnet|vboxnet|lxc|lxdbr|podman|cni|cali|flannel|cilium|kube|weave|tun|tap|utun|wg|tailscale|zt)/;

const LINK_LOCAL = /^(?:169\.254\.|fe[89ab][0-9a-f]:)/i;

/** Unique local addresses, fc00::/7: used where there is no global one. */
const UNIQUE_LOCAL = /^f[cd][0-9a-f]{2}:/i;

/** By number where there is one, and the same in every locale. */
const byName = new Intl.Collator('en', { numeric: true });

/** The address by which others most likely reach this host. The order depends on names and addresses only. */
export function firstAddress(interfaces: Interfaces, family: 'IPv4' | 'IPv6'): string | undefined {
  const names = Object.keys(interfaces).toSorted(byName.compare);
  const ranked = [...names.filter((name) => !VIRTUAL.test(name)), ...names.filter((name) => VIRTUAL.test(name))];
  const addresses = ranked
    .flatMap((name) => interfaces[name] ?? [])
    .filter((info) => info.family === family && !info.internal && !LINK_LOCAL.test(info.address))
    .map(({ address }) => address);
  return addresses.find((address) => !UNIQUE_LOCAL.test(address)) ?? addresses[0];
}
