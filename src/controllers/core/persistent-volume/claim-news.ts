import type { PersistentVolumeClaim } from '#api/core-v1/persistent-volume-claim.ts';
import type { Context, Key } from '#reconcile/controller.ts';
import { recordEvent, type EventText } from '#reconcile/record-event.ts';

/** Events about claims, each told when it is news: a claim that waits is looked at often. */
export interface ClaimNews {
  tell(
    context: Context,
    claim: PersistentVolumeClaim,
    text: Omit<EventText, 'component'>,
  ): Promise<void>;
  forget(key: Key): void;
}

export function claimNews(): ClaimNews {
  const told = new Map<string, string>();
  return {
    async tell(context, claim, text) {
      const { namespace = '', name = '', uid = '' } = claim.metadata;
      const id = `${namespace}/${name}`;
      const latest = `${uid} ${text.message}`;
      if (told.get(id) === latest) return;
      told.set(id, latest);
      await recordEvent(context, claim, { ...text, component: 'persistentvolume-controller' });
    },
    forget: ({ namespace, name }) => void told.delete(`${namespace}/${name}`),
  };
}
