import type { PodTemplateSpec } from '#api/generated/core-v1.ts';
import type { LabelSelector } from '#api/meta/selector.ts';
import { orNone } from '#apiserver/tables/column.ts';

/** What the wide columns of everything that makes pods say. */
export function containerNames(template: PodTemplateSpec | undefined): string {
  return (template?.spec?.containers ?? []).map(({ name }) => name).join(',');
}

export function images(template: PodTemplateSpec | undefined): string {
  return (template?.spec?.containers ?? []).map(({ image }) => image ?? '').join(',');
}

/** `app=a,tier in (x,y)` */
export function selectorText(selector: LabelSelector | undefined): string {
  const labels = Object.entries(selector?.matchLabels ?? {}).map((pair) => pair.join('='));
  const expressions = (selector?.matchExpressions ?? []).map(({ key, operator, values }) => {
    if (operator === 'Exists') return key;
    if (operator === 'DoesNotExist') return `!${key}`;
    return `${key} ${operator.toLowerCase()} (${(values ?? []).join(',')})`;
  });
  return orNone([...labels, ...expressions].join(','));
}
