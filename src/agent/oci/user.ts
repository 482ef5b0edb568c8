import type { PodSecurityContext, SecurityContext } from '#api/generated/core-v1.ts';

export interface OciUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
}

export interface UserSources {
  /** `user`, `user:group`, names or numbers; empty is root (OCI image spec, config.md, User). */
  readonly imageUser: string;
  readonly container: SecurityContext;
  readonly pod: PodSecurityContext;
  /** The image's own /etc/passwd and /etc/group, empty where it has none. */
  readonly passwd: string;
  readonly group: string;
}

/** Whom a container runs as. Throws a sentence for the pod's status where that is not to be had. */
export function resolveUser({ imageUser, container, pod, passwd, group }: UserSources): OciUser {
  const [userText = '', groupText = ''] = imageUser.split(':');
  const runAsUser = container.runAsUser ?? pod.runAsUser;
  const accounts = rows(passwd);
  const wanted = runAsUser === undefined ? userText || '0' : String(runAsUser);
  const account = accounts.find(([name, , uid]) => name === wanted || uid === wanted);
  const uid = number(account?.[2] ?? wanted);
  if (uid === undefined)
    throw new Error(`Cannot run as user "${wanted}": the image's /etc/passwd does not name it`);
  const groups = rows(group);
  const namedGroup = runAsUser === undefined ? groupText : '';
  const wantedGid = number(
    groups.find(([name]) => name === namedGroup)?.[2] ?? (namedGroup || (account?.[3] ?? '0')),
  );
  if (wantedGid === undefined)
    throw new Error(`Cannot run as group "${namedGroup}": the image's /etc/group does not name it`);
  if ((container.runAsNonRoot ?? pod.runAsNonRoot) && uid === 0)
    throw new Error(
      'container has runAsNonRoot and image will run as root: set runAsUser to another user than 0',
    );
  // core/v1 PodSecurityContext.supplementalGroupsPolicy: Strict leaves out what the image says.
  const isMerged = pod.supplementalGroupsPolicy !== 'Strict';
  const memberOf = groups
    .filter(
      ([, , , members]) =>
        isMerged && account && (members ?? '').split(',').includes(account[0] ?? ''),
    )
    .flatMap(([, , gid]) => number(gid ?? '') ?? []);
  const extra = [
    ...(pod.supplementalGroups ?? []),
    ...(pod.fsGroup === undefined ? [] : [pod.fsGroup]),
  ];
  return {
    uid,
    gid: container.runAsGroup ?? pod.runAsGroup ?? wantedGid,
    additionalGids: [...new Set([...memberOf, ...extra])],
  };
}

function rows(text: string): string[][] {
  return text.split('\n').map((line) => line.split(':'));
}

function number(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}
