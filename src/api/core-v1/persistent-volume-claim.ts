import { claimChangeErrors, claimSpecErrors } from '#api/core-v1/claim-errors.ts';
import type {
  PersistentVolumeClaim as Generated,
  PersistentVolumeClaimSpec,
} from '#api/generated/core-v1.ts';
import { defineCoreKind } from '#api/kind.ts';

export type PersistentVolumeClaim = Generated;
export const PersistentVolumeClaim = defineCoreKind<PersistentVolumeClaim>({
  group: '',
  version: 'v1',
  kind: 'PersistentVolumeClaim',
  plural: 'persistentvolumeclaims',
  scope: 'Namespaced',
  definition: 'io.k8s.api.core.v1.PersistentVolumeClaim',
  shortNames: ['pvc'],
  subresources: ['status'],
  default(claim, { operation }) {
    if (claim.spec) {
      claim.spec.volumeMode ??= 'Filesystem';
      defaultSource(claim.spec);
    }
    if (operation === 'CREATE') claim.status = { phase: 'Pending' };
  },
  validate(claim, { previous }) {
    return [
      ...claimSpecErrors(claim.spec, 'spec'),
      ...(previous ? claimChangeErrors(claim, previous) : []),
    ];
  },
});

const CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class';

/** The StorageClass it asks for; empty: none, undefined: whichever is the default. */
export function classOfClaim({ metadata, spec }: PersistentVolumeClaim): string | undefined {
  return metadata.annotations?.[CLASS_ANNOTATION] ?? spec?.storageClassName;
}

/**
 * Of two fields for one thing each tells what the other does. The older one knows claims and snapshots, and what it does not know
 * Kubernetes has always dropped.
 */
function defaultSource(spec: PersistentVolumeClaimSpec): void {
  const { dataSource: older, dataSourceRef: newer } = spec;
  if (older && !newer) {
    const isClaim = !older.apiGroup && older.kind === 'PersistentVolumeClaim';
    const isSnapshot =
      older.apiGroup === 'snapshot.storage.k8s.io' && older.kind === 'VolumeSnapshot';
    if (isClaim || isSnapshot) spec.dataSourceRef = { ...older };
    else delete spec.dataSource;
  } else if (newer && !older && !newer.namespace) {
    spec.dataSource = { ...newer };
  }
}
