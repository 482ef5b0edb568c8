import { stringify } from 'yaml';
import type { KeyPair } from '#base/x509/certificate.ts';

export interface KubeconfigOptions {
  /** `https://127.0.0.1:6443` */
  readonly server: string;
  /** The authority's certificate, PEM. */
  readonly authority: string;
  readonly client: KeyPair;
  /** Names the cluster, the user and the context; `knode` unless told. */
  readonly name?: string;
}

/** A kubeconfig with everything in it. It holds a private key: keep it readable by its owner alone (0600). */
export function kubeconfigText(options: KubeconfigOptions): string {
  const { server, authority, client, name = 'knode' } = options;
  return stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name, cluster: { server, 'certificate-authority-data': base64(authority) } }],
      users: [
        {
          name,
          user: {
            'client-certificate-data': base64(client.certificate),
            'client-key-data': base64(client.key),
          },
        },
      ],
      contexts: [{ name, context: { cluster: name, user: name } }],
      'current-context': name,
    },
    { lineWidth: 0 },
  );
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
