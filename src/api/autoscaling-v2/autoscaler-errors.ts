import type {
  HorizontalPodAutoscalerSpec,
  HPAScalingRules,
  MetricSpec,
  MetricTarget,
} from '#api/generated/autoscaling-v2.ts';
import type { FieldError } from '#api/kind.ts';
import { forbiddenField, required, wrongValue } from '#api/meta/field-error.ts';
import { negativeErrors, unsupportedErrors } from '#api/meta/value-errors.ts';

const WINDOW_SECONDS_MAX = 3600;
const PERIOD_SECONDS_MAX = 1800;
const METRIC_TYPES = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource'];
const TARGET_TYPES = ['Utilization', 'Value', 'AverageValue'];

/** What is wrong with a HorizontalPodAutoscaler's spec, in Kubernetes' words and order. */
export function autoscalerErrors(spec: HorizontalPodAutoscalerSpec | undefined): FieldError[] {
  if (!spec) return [required('spec')];
  const { minReplicas = 1, maxReplicas, scaleTargetRef, metrics = [], behavior } = spec;
  return [
    ...(minReplicas < 1
      ? [wrongValue('spec.minReplicas', minReplicas, 'must be greater than or equal to 1')]
      : []),
    ...(!(maxReplicas >= 1)
      ? [wrongValue('spec.maxReplicas', maxReplicas ?? 0, 'must be greater than 0')]
      : []),
    ...(maxReplicas < minReplicas && maxReplicas > 0
      ? [
          wrongValue(
            'spec.maxReplicas',
            maxReplicas,
            'must be greater than or equal to `minReplicas`',
          ),
        ]
      : []),
    ...(scaleTargetRef?.kind ? [] : [required('spec.scaleTargetRef.kind')]),
    ...(scaleTargetRef?.name ? [] : [required('spec.scaleTargetRef.name')]),
    ...apiVersionErrors(scaleTargetRef?.apiVersion ?? ''),
    ...metrics.flatMap((metric, index) => metricErrors(metric, `spec.metrics[${index}]`)),
    ...rulesErrors(behavior?.scaleUp, 'spec.behavior.scaleUp'),
    ...rulesErrors(behavior?.scaleDown, 'spec.behavior.scaleDown'),
  ];
}

function apiVersionErrors(apiVersion: string): FieldError[] {
  if (apiVersion.includes('/') || apiVersion === 'v1') return [];
  return [
    wrongValue('spec.scaleTargetRef.apiVersion', apiVersion, 'apiVersion must specify API group'),
  ];
}

function metricErrors(metric: MetricSpec, at: string): FieldError[] {
  if (!metric.type) return [required(`${at}.type`, 'must specify a metric source type')];
  const field = metric.type.charAt(0).toLowerCase() + metric.type.slice(1);
  const { resource, containerResource } = metric;
  return [
    ...unsupportedErrors(`${at}.type`, metric.type, METRIC_TYPES),
    ...(field in metric ? [] : [required(`${at}.${field}`)]),
    ...(resource ? resourceErrors(resource, `${at}.resource`) : []),
    ...(containerResource
      ? [
          ...resourceErrors(containerResource, `${at}.containerResource`),
          ...(containerResource.container
            ? []
            : [required(`${at}.containerResource.container`, 'must specify a container')]),
        ]
      : []),
  ];
}

function resourceErrors(
  { name, target }: { readonly name: string; readonly target: MetricTarget },
  at: string,
): FieldError[] {
  return [
    ...(name ? [] : [required(`${at}.name`, 'must specify a resource name')]),
    ...targetErrors(target, `${at}.target`),
  ];
}

function targetErrors(target: MetricTarget | undefined, at: string): FieldError[] {
  if (!target) return [required(at, 'must set a target')];
  const { type, averageUtilization, averageValue } = target;
  const errors = unsupportedErrors(`${at}.type`, type, TARGET_TYPES);
  if (averageUtilization !== undefined && averageUtilization < 1) {
    errors.push(
      wrongValue(`${at}.averageUtilization`, averageUtilization, 'must be greater than 0'),
    );
  }
  if (averageUtilization === undefined && averageValue === undefined) {
    const why = 'must set either a target raw value or a target utilization';
    errors.push(required(`${at}.averageUtilization`, why));
  }
  if (averageUtilization !== undefined && averageValue !== undefined) {
    const why = 'may not set both a target raw value and a target utilization';
    errors.push(forbiddenField(`${at}.averageValue`, why));
  }
  return errors;
}

function rulesErrors(rules: HPAScalingRules | undefined, at: string): FieldError[] {
  if (!rules) return [];
  const { stabilizationWindowSeconds: window, selectPolicy, policies } = rules;
  const path = `${at}.stabilizationWindowSeconds`;
  return [
    ...negativeErrors(path, window),
    ...(window !== undefined && window > WINDOW_SECONDS_MAX
      ? [wrongValue(path, window, 'must be less than or equal to 3600')]
      : []),
    ...unsupportedErrors(`${at}.selectPolicy`, selectPolicy, ['Disabled', 'Max', 'Min']),
    ...(policies?.length ? [] : [required(`${at}.policies`, 'must specify at least one Policy')]),
    ...(policies ?? []).flatMap(({ type, value, periodSeconds }, index) => {
      const policy = `${at}.policies[${index}]`;
      return [
        ...unsupportedErrors(`${policy}.type`, type, ['Percent', 'Pods']),
        ...positiveErrors(`${policy}.value`, value),
        ...positiveErrors(`${policy}.periodSeconds`, periodSeconds),
        ...(periodSeconds > PERIOD_SECONDS_MAX
          ? [
              wrongValue(
                `${policy}.periodSeconds`,
                periodSeconds,
                'must be less than or equal to 1800',
              ),
            ]
          : []),
      ];
    }),
  ];
}

function positiveErrors(path: string, value: number | undefined): FieldError[] {
  return (value ?? 0) > 0 ? [] : [wrongValue(path, value ?? 0, 'must be greater than zero')];
}
