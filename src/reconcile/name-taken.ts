import type { Kind } from '#api/kind.ts';
import { ApiError } from '#api/meta/api-error.ts';
import type { Ref } from '#client/client.ts';

/** An object whose change, and be it that it goes, makes another attempt worthwhile. */
export interface Awaited {
  readonly kind: Kind;
  readonly ref: Ref;
}

/** What a reconcile fails with that needs a name which somebody else's object has. */
export class NameTaken extends ApiError implements Awaited {
  readonly kind: Kind;
  readonly ref: Ref;
  constructor(message: string, { kind, ref }: Awaited) {
    super('Forbidden', message);
    this.kind = kind;
    this.ref = ref;
  }
}
