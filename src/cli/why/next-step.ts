/** What somebody can do about a reason; the first that fits. */
const ADVICE: readonly (readonly [reasons: RegExp, advice: string])[] = [
  [
    /^(ContainerMissing|ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull)$/,
    'See that the image has this name where it is said to be, and that its registry may be read (`knode image list` shows those here); then deploy again.',
  ],
  [
    /^OOMKilled$/,
    'Give the container more memory (resources.limits.memory), or find what takes it; then deploy again.',
  ],
  [
    /^(ExitCode\d+|CrashLoopBackOff|Error|Completed|StartError|ContainerCannotRun|RunContainerError)$/,
    'The program ends by itself where it should go on serving: its last words say why. Mend it and deploy again.',
  ],
  [
    /^Unschedulable$/,
    'Ask for less (resources.requests) or make room: `knode status` shows what this machine has.',
  ],
  [
    /^FailedCreate$/,
    'Something forbids its pods: see `kubectl describe quota,limitrange` in its namespace.',
  ],
  [
    /^(CreateContainerConfigError|CreateContainerError)$/,
    'Create what the message names, a ConfigMap, a Secret or a key of one; it is looked for again every few seconds.',
  ],
  [
    /^(NotReady|ProgressDeadlineExceeded|ContainerUnhealthy)$/,
    'The program has to listen on the port in $PORT, on all addresses (0.0.0.0), and to answer its probe with 200.',
  ],
  [
    /^InternalError$/,
    'The message says what could not be made or was refused: mend that and deploy again; what was out of reach is tried again by itself.',
  ],
  [/^Evicted$/, 'It took more than its limits or the machine had: raise the limits, or take less.'],
  [
    /^(RevisionMissing|ConfigurationMissing|RevisionNotOwned)$/,
    'Name revisions that there are in spec.traffic: `kubectl get revisions` lists them.',
  ],
  [/^RevisionNameTaken$/, 'Choose another spec.template.metadata.name, or none, and deploy again.'],
  [
    /^(ChallengeFailed|ChallengeNotOffered)$/,
    'See that the host leads to port 80 of this gateway from where the ACME server is; deleting the Secret acme-… of the namespace has it tried at once.',
  ],
  [
    /^(ServerUnavailable|ServerRefused|RateLimited)$/,
    'The ACME server of config-certmanager gives no certificate now; it is asked again at the time that the message says.',
  ],
  [/^NotOwned$/, 'Something else has this name: delete it, or give the Service another name.'],
  [
    /^ErrorConfig$/,
    'Choose a shorter or simpler name or tag, or other templates in config-network.',
  ],
  [
    /^(TimedOut|Queued)$/,
    'Pods were asked for and are not ready: if none of them is shown above, look again in a moment.',
  ],
];

/** Undefined where nothing is to be done but to wait. */
export function nextStep(reason: string): string | undefined {
  return ADVICE.find(([reasons]) => reasons.test(reason))?.[1];
}
