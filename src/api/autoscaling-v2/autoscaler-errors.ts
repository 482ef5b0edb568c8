import type {
  HorizontalPodAutoscalerSpec,
  HPAScalingRules,
  MetricIdentifier,
  MetricSpec,
  MetricTarget,
} from '#api/generated/autoscaling-v2.ts';
import type { FieldError } from '#api/kind.ts';
import { forbiddenField, required, wrongValue } from '#api/meta/field-error.ts';
import { selectorErrors } from '#api/meta/selector-errors.ts';
import { unsupportedErrors } from '#api/meta/value-errors.ts';

const WINDOW_SECONDS_MAX = 3600;
const PERIOD_SECONDS_MAX = 1800;
const METRIC_TYPES = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource'];
const SOURCES = ['object', 'pods', 'resource', 'containerResource', 'external'] as const;
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
    ...((maxReplicas ?? 0) < minReplicas
      ? [
          wrongValue(
            'spec.maxReplicas',
            maxReplicas ?? 0,
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
  const path = 'spec.scaleTargetRef.apiVersion';
  if (apiVersion.split('/').length > 2) {
    return [wrongValue(path, apiVersion, `unexpected GroupVersion string: ${apiVersion}`)];
  }
  if (apiVersion.includes('/') || apiVersion === 'v1') return [];
  return [wrongValue(path, apiVersion, 'apiVersion must specify API group')];
}

function metricErrors(metric: MetricSpec, at: string): FieldError[] {
  const { resource, containerResource, pods, object, external } = metric;
  // Absent where its author left it out: nothing looks at what is demanded before this.
  const { type = '' } = metric as Partial<MetricSpec>;
  const field = type.charAt(0).toLowerCase() + type.slice(1);
  const others = SOURCES.filter((source) => metric[source] && source !== field);
  const isKnown = METRIC_TYPES.includes(type);
  const inType = unsupportedErrors(`${at}.type`, type, METRIC_TYPES);
  if (!type) return [required(`${at}.type`, 'must specify a metric source type'), ...inType];
  return [
    ...inType,
    ...(isKnown && !(field in metric)
      ? [required(`${at}.${field}`, 'must populate information for the given metric source')]
      : []),
    ...(pods ? podsErrors(pods, `${at}.pods`) : []),
    ...(object ? describedErrors(object, `${at}.object`) : []),
    ...(external ? describedErrors(external, `${at}.external`) : []),
    ...(resource ? resourceErrors(resource, `${at}.resource`) : []),
    ...(containerResource
      ? [
          ...resourceErrors(containerResource, `${at}.containerResource`),
          ...(containerResource.container
            ? []
            : [required(`${at}.containerResource.container`, 'must specify a container')]),
        ]
      : []),
    ...others.map((source) =>
      forbiddenField(`${at}.${source}`, 'must populate the given metric source only'),
    ),
  ];
}

function namedErrors({ metric }: Named, at: string): FieldError[] {
  return [
    ...(metric?.name ? [] : [required(`${at}.metric.name`, 'must specify a metric name')]),
    ...selectorErrors(metric?.selector, `${at}.metric.selector`),
  ];
}

interface Named {
  readonly metric: MetricIdentifier;
  readonly target: MetricTarget;
}

function podsErrors(source: Named, at: string): FieldError[] {
  const why = 'must specify a positive target averageValue';
  return [
    ...namedErrors(source, at),
    ...(source.target?.averageValue === undefined
      ? [required(`${at}.target.averageValue`, why)]
      : []),
  ];
}

function describedErrors(source: Named, at: string): FieldError[] {
  const { value, averageValue } = source.target ?? {};
  const why = 'must set either a target value for metric or a per-pod target';
  const isNone = value === undefined && averageValue === undefined;
  return [
    ...namedErrors(source, at),
    ...(isNone ? [required(`${at}.target.averageValue`, why)] : []),
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
  const errors: FieldError[] = [];
  if (!type) errors.push(required(`${at}.type`, 'must specify a metric target type'));
  if (!TARGET_TYPES.includes(type)) {
    errors.push(
      wrongValue(`${at}.type`, type, 'must be either Utilization, Value, or AverageValue'),
    );
  }
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
    ...(window !== undefined && window < 0
      ? [wrongValue(path, window, 'must be greater than or equal to zero')]
      : []),
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
