import { isIPv6 } from 'node:net';
import type { Service, ServicePort, ServiceSpec } from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import {
  addressErrors,
  addressRangeErrors,
  endpointAddressErrors,
  namedPortErrors,
  portErrors,
} from '#api/meta/address-errors.ts';
import { forbiddenField, required, wrongValue } from '#api/meta/field-error.ts';
import {
  dnsLabel,
  labelErrors,
  nameErrors,
  qualifiedName,
  subdomain,
} from '#api/meta/name-errors.ts';
import { duplicateValue, rangeErrors, unsupportedErrors } from '#api/meta/value-errors.ts';

const ONLY_BALANCED = "may only be used when `type` is 'LoadBalancer'";
const A_DAY = { first: 1, last: 86_400 };

/** What is wrong with a Service, and with what of it changes. */
export function serviceErrors(service: Service, previous: Service | undefined): FieldError[] {
  const { spec = {} } = service;
  return [
    ...(previous?.spec ? changeErrors(spec, previous.spec) : []),
    ...typeErrors(spec),
    ...portsErrors(spec),
    ...labelErrors(spec.selector, 'spec.selector'),
    ...affinityErrors(spec),
    ...clusterAddressErrors(spec),
    ...(spec.externalIPs ?? []).flatMap((address, index) => {
      const at = `spec.externalIPs[${index}]`;
      const errors = addressErrors(at, address);
      return errors.length > 0 ? errors : endpointAddressErrors(at, address);
    }),
    ...uniquePortErrors(spec),
    ...balancerErrors(spec),
    ...trafficErrors(spec),
  ];
}

function isHeadless({ clusterIP, clusterIPs }: ServiceSpec): boolean {
  return (clusterIP ?? clusterIPs?.[0]) === 'None';
}

function typeErrors(spec: ServiceSpec): FieldError[] {
  const { type, externalName } = spec;
  const needsNone = isHeadless(spec) || type === 'ExternalName';
  const errors = spec.ports?.length || needsNone ? [] : [required('spec.ports')];
  if (type === 'ExternalName') {
    const name = externalName?.replace(/\.$/, '');
    const inName = name
      ? nameErrors(subdomain, 'spec.externalName', name)
      : [required('spec.externalName')];
    return [...errors, ...inName];
  }
  if (type === 'ClusterIP' || !isHeadless(spec)) return errors;
  const why = `may not be set to 'None' for ${type} services`;
  return [...errors, wrongValue('spec.clusterIPs[0]', 'None', why)];
}

function portsErrors({ ports = [] }: ServiceSpec): FieldError[] {
  const names = ports.map(({ name }) => name);
  return ports.flatMap((port, index) => {
    const at = `spec.ports[${index}]`;
    const isSecond = port.name !== undefined && names.indexOf(port.name) < index;
    return [
      ...(port.name
        ? nameErrors(dnsLabel, `${at}.name`, port.name)
        : ports.length > 1
          ? [required(`${at}.name`)]
          : []),
      ...(port.name && isSecond ? [duplicateValue(`${at}.name`, port.name)] : []),
      ...portErrors(`${at}.port`, port.port),
      ...unsupportedErrors(`${at}.protocol`, port.protocol, ['SCTP', 'TCP', 'UDP']),
      ...namedPortErrors(`${at}.targetPort`, port.targetPort),
      ...(port.appProtocol === undefined
        ? []
        : nameErrors(qualifiedName, `${at}.appProtocol`, port.appProtocol)),
    ];
  });
}

function affinityErrors({ sessionAffinity, sessionAffinityConfig }: ServiceSpec): FieldError[] {
  const at = 'spec.sessionAffinityConfig';
  return [
    ...unsupportedErrors('spec.sessionAffinity', sessionAffinity, ['ClientIP', 'None']),
    ...(sessionAffinity === 'ClientIP'
      ? rangeErrors(
          `${at}.clientIP.timeoutSeconds`,
          sessionAffinityConfig?.clientIP?.timeoutSeconds,
          A_DAY,
        )
      : []),
    ...(sessionAffinity === 'None' && sessionAffinityConfig
      ? [forbiddenField(at, 'must not be set when session affinity is None')]
      : []),
  ];
}

function clusterAddressErrors(spec: ServiceSpec): FieldError[] {
  const { type, clusterIP, clusterIPs = [], ipFamilies = [], ipFamilyPolicy } = spec;
  if (type === 'ExternalName') return [];
  const at = 'spec.clusterIPs';
  const none = "'None' must be the first and only value";
  const places = clusterIPs.flatMap((address, index) =>
    index === 0 && address === 'None' ? [] : addressErrors(`${at}[${index}]`, address),
  );
  const families = clusterIPs.map((address) => isIPv6(address));
  return [
    ...(!clusterIP && clusterIPs.length > 0
      ? [wrongValue(at, clusterIPs, 'must be empty when `clusterIP` is not specified')]
      : []),
    ...(clusterIP && clusterIPs.length > 0 && clusterIPs[0] !== clusterIP
      ? [wrongValue(at, clusterIPs, 'first value must match `clusterIP`')]
      : []),
    ...ipFamilies.flatMap((family, index) => [
      ...unsupportedErrors(`spec.ipFamilies[${index}]`, family, ['IPv4', 'IPv6']),
      ...(ipFamilies.indexOf(family) < index
        ? [duplicateValue(`spec.ipFamilies[${index}]`, family)]
        : []),
    ]),
    ...unsupportedErrors('spec.ipFamilyPolicy', ipFamilyPolicy, [
      'PreferDualStack',
      'RequireDualStack',
      'SingleStack',
    ]),
    ...(clusterIPs[0] === 'None' && clusterIPs.length > 1
      ? [wrongValue(at, clusterIPs, none)]
      : []),
    ...places,
    ...(clusterIPs.length > 2 ? [wrongValue(at, clusterIPs, 'may only hold up to 2 values')] : []),
    ...(places.length === 0 && new Set(families).size < families.length
      ? [wrongValue(at, clusterIPs, 'may specify no more than one IP for each IP family')]
      : []),
    ...(places.length === 0 && clusterIPs[0] !== 'None'
      ? familyErrors(clusterIPs, ipFamilies)
      : []),
  ];
}

function familyErrors(addresses: readonly string[], families: readonly string[]): FieldError[] {
  return addresses.flatMap((address, index) => {
    const wanted = families[index];
    if (wanted === undefined || (wanted === 'IPv6') === isIPv6(address)) return [];
    const why = `expected an ${wanted} value as indicated by \`ipFamilies[${index}]\``;
    return [wrongValue(`spec.clusterIPs[${index}]`, address, why)];
  });
}

/** Of two ports of one protocol one would never be reached. */
function uniquePortErrors({ type, ports = [] }: ServiceSpec): FieldError[] {
  const repeats = (field: 'port' | 'nodePort'): number[] => {
    const identity = (port: ServicePort): string => `${port.protocol} ${port[field]}`;
    const seen = ports.map(identity);
    return [...ports.keys()].filter((index) => {
      const port = ports[index];
      return port?.[field] && seen.indexOf(identity(port)) < index;
    });
  };
  return [
    ...(type === 'ClusterIP'
      ? ports.flatMap(({ nodePort }, index) =>
          nodePort
            ? [
                forbiddenField(
                  `spec.ports[${index}].nodePort`,
                  "may not be used when `type` is 'ClusterIP'",
                ),
              ]
            : [],
        )
      : []),
    ...repeats('nodePort').map((index) =>
      duplicateValue(`spec.ports[${index}].nodePort`, ports[index]?.nodePort),
    ),
    ...repeats('port').map((index) => {
      const { protocol, port } = ports[index] ?? {};
      // As Kubernetes shows it.
      const shown = { Name: '', Protocol: protocol, AppProtocol: null, Port: port };
      return duplicateValue(`spec.ports[${index}]`, { ...shown, TargetPort: 0, NodePort: 0 });
    }),
  ];
}

function balancerErrors(spec: ServiceSpec): FieldError[] {
  const isBalanced = spec.type === 'LoadBalancer';
  const { loadBalancerClass, loadBalancerSourceRanges: ranges = [] } = spec;
  // Kubernetes writes this one field with a capital.
  const at = 'spec.LoadBalancerSourceRanges';
  const only = (field: string): FieldError[] =>
    isBalanced ? [] : [forbiddenField(field, ONLY_BALANCED)];
  return [
    ...(ranges.length > 0 ? only(at) : []),
    ...ranges.flatMap((range, index) => addressRangeErrors(`${at}[${index}]`, range.trim())),
    ...(spec.allocateLoadBalancerNodePorts === undefined
      ? []
      : only('spec.allocateLoadBalancerNodePorts')),
    ...(loadBalancerClass === undefined
      ? []
      : isBalanced
        ? nameErrors(qualifiedName, 'spec.loadBalancerClass', loadBalancerClass)
        : only('spec.loadBalancerClass')),
  ];
}

function trafficErrors(spec: ServiceSpec): FieldError[] {
  const { type, externalTrafficPolicy: external, healthCheckNodePort } = spec;
  const isOutside = type === 'LoadBalancer' || type === 'NodePort' || spec.externalIPs?.length;
  const isChecked = type === 'LoadBalancer' && external === 'Local';
  const outsideText = 'may only be set for externally-accessible services';
  const checkText =
    "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
  return [
    ...(external && !isOutside
      ? [wrongValue('spec.externalTrafficPolicy', external, outsideText)]
      : unsupportedErrors('spec.externalTrafficPolicy', external, ['Cluster', 'Local'])),
    ...(healthCheckNodePort && !isChecked
      ? [wrongValue('spec.healthCheckNodePort', healthCheckNodePort, checkText)]
      : []),
    ...unsupportedErrors('spec.internalTrafficPolicy', spec.internalTrafficPolicy, [
      'Cluster',
      'Local',
    ]),
    ...unsupportedErrors('spec.trafficDistribution', spec.trafficDistribution, [
      'PreferClose',
      'PreferSameZone',
      'PreferSameNode',
    ]),
  ];
}

/** Who has an address keeps it, so that nobody's clients are led elsewhere. */
function changeErrors(spec: ServiceSpec, previous: ServiceSpec): FieldError[] {
  const { clusterIPs, clusterIP, loadBalancerClass } = spec;
  const isNamed = spec.type === 'ExternalName' || previous.type === 'ExternalName';
  const first = clusterIPs?.[0] ?? clusterIP;
  const isMoved = !isNamed && previous.clusterIP && first && first !== previous.clusterIP;
  const areBalanced = spec.type === 'LoadBalancer' && previous.type === 'LoadBalancer';
  return [
    ...(isMoved ? [wrongValue('spec.clusterIPs[0]', [first], 'may not change once set')] : []),
    ...(areBalanced && loadBalancerClass !== previous.loadBalancerClass
      ? [wrongValue('spec.loadBalancerClass', loadBalancerClass, 'may not change once set')]
      : []),
  ];
}
