import type { AdmissionStep } from '#apiserver/admission/admit.ts';
import type { KindTable } from '#apiserver/kind-table.ts';
import type { Store } from '#store/store.ts';

export interface ServiceAddressOptions {
  /** `10.96.0.0/16` */
  readonly range: string;
}
export function serviceAddresses(
  _store: Store,
  _kinds: KindTable,
  _options: ServiceAddressOptions,
): AdmissionStep {
  return { handles: () => false, admit: async () => undefined };
}
