import { REGISTRY_SERVER_DEFAULTS } from '../embedded/registry-server-options.js';

const { host, port } = REGISTRY_SERVER_DEFAULTS;

export const USAGE = `Usage: rookery <command> [options]

Commands:
  registry               run a registry until it is stopped
  services               list the services that have instances
  instances <service>    list the instances of a service
  stats                  what the registry says about itself

Options of registry:
  --host <address>       where to listen (default ${host}), or unix:/path
  --port <number>        0 picks a free one (default ${port})
  --ttl <duration>       how long an instance stays that nobody renews (default 15s)
  --data-dir <folder>    keep registrations there over restarts (default none: in memory)
  --insecure             listen beyond loopback without TLS and without a secret

Options of services, instances, stats:
  --address <host:port>  the registry (default ROOKERY_REGISTRY, else ${host}:${port}), or unix:/path
  --namespace <id>       look into this namespace (default public)
  --group <name>         look into this group (default default)
  --json                 print JSON

Options of all commands:
  --secret-env <name>    the environment variable that holds the secret; given twice, the newer one first
  --tls-cert <file>      the certificate (PEM), with --tls-key; a registry's names rookery.registry
  --tls-key <file>       its private key
  --tls-ca <file>        the authorities that are accepted; a registry then asks clients for certificates
  -h, --help             print this
  -v, --version          print the version
`;

/** The command line is wrong; the message says what to do. */
export class UsageError extends Error {}
