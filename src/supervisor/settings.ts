import { createHash } from 'node:crypto';
import path from 'node:path';

/** What one run of the platform was asked to be; handed to every process it consists of. */
export interface Settings {
  /** The folder that holds all state. */
  readonly home: string;
  readonly nodeName: string;
  readonly httpPort: number;
  readonly httpsPort: number;
  readonly apiPort: number;
  readonly registryPort: number;
  /** Addresses beside loopback and the pods' own that listeners bind; none unless asked for. */
  readonly listen: readonly string[];
}

/** Where things are under a home. */
export function pathsOf(home: string): {
  readonly run: string;
  readonly logs: string;
  /** Data of PersistentVolumes that were made for claims, a folder for each. */
  readonly volumes: string;
  readonly kubeconfig: string;
  readonly gatewayKubeconfig: string;
  readonly supervisorSocket: string;
  readonly measurementSocket: string;
  readonly processRecord: (name: string) => string;
  readonly log: (name: string) => string;
} {
  const run = path.join(home, 'run');
  const logs = path.join(home, 'logs');
  return {
    run,
    logs,
    volumes: path.join(home, 'volumes'),
    kubeconfig: path.join(home, 'kubeconfig'),
    gatewayKubeconfig: path.join(run, 'gateway.kubeconfig'),
    supervisorSocket: path.join(run, 'supervisor.sock'),
    measurementSocket: path.join(run, 'measurements.sock'),
    processRecord: (name) => path.join(run, `${name}.json`),
    log: (name) => path.join(logs, `${name}.log`),
  };
}

/** Six characters that tell this home's interfaces, tables and cgroups from another's on the same machine. */
export function instanceOf(home: string): string {
  return createHash('sha256').update(path.resolve(home)).digest('hex').slice(0, 6);
}

/** `$KNODE_HOME`, else `$XDG_STATE_HOME/knode`, else `/var/lib/knode`. */
export function homeOf(environment: Readonly<Record<string, string | undefined>>): string {
  const state = environment['XDG_STATE_HOME'];
  return path.resolve(
    environment['KNODE_HOME'] ?? (state ? path.join(state, 'knode') : '/var/lib/knode'),
  );
}

/** Which address ranges pods and Services of this home have; chosen once. */
export function networkFileOf(home: string): string {
  return path.join(home, 'network.json');
}

/** Mirrors, authorities and credentials of registries, as a person writes them; see docs/reference/registries.md. */
export function registriesFileOf(home: string): string {
  return path.join(home, 'registries.yaml');
}

/** Where commands build images before they push them: apart from the platform's own store, which has one owner. */
export function buildFolderOf(home: string): string {
  return path.join(home, 'build');
}
