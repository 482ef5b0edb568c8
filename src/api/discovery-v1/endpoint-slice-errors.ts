import { isIPv4 } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import type { EndpointSlice } from '#api/generated/discovery-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { addressErrors } from '#api/meta/address-errors.ts';
import { required, wrongValue } from '#api/meta/field-error.ts';
import { dnsLabel, nameErrors, qualifiedName, subdomain } from '#api/meta/name-errors.ts';
import { duplicateValue, tooManyErrors, unsupportedErrors } from '#api/meta/value-errors.ts';

const ENDPOINTS_MAX = 1_000;
const ADDRESSES_MAX = 100;
const PORTS_MAX = 20_000;

/** Endpoints that stay as they are may: an older server may have let them pass. */
export function endpointSliceErrors(
  { addressType, ports, endpoints }: EndpointSlice,
  previous: EndpointSlice | undefined,
): FieldError[] {
  const isSame = previous !== undefined && isDeepStrictEqual(endpoints, previous.endpoints);
  const looked = isSame ? [] : (endpoints ?? []);
  return [
    ...(addressType
      ? unsupportedErrors('addressType', addressType, ['FQDN', 'IPv4', 'IPv6'])
      : [required('addressType')]),
    ...portsErrors(ports ?? []),
    ...tooManyErrors('endpoints', looked, ENDPOINTS_MAX),
    ...looked
      .slice(0, ENDPOINTS_MAX)
      .flatMap((endpoint, index) =>
        endpointErrors(endpoint, { addressType, at: `endpoints[${index}]` }),
      ),
  ];
}

function portsErrors(ports: NonNullable<EndpointSlice['ports']>): FieldError[] {
  const names = ports.map(({ name = '' }) => name);
  return [
    ...tooManyErrors('ports', ports, PORTS_MAX),
    ...ports.slice(0, PORTS_MAX).flatMap(({ protocol, appProtocol }, index) => {
      const at = `ports[${index}]`;
      const name = names[index] ?? '';
      return [
        ...(name ? nameErrors(dnsLabel, `${at}.name`, name) : []),
        ...(names.indexOf(name) < index ? [duplicateValue(`${at}.name`, name)] : []),
        ...unsupportedErrors(`${at}.protocol`, protocol, ['SCTP', 'TCP', 'UDP']),
        ...(appProtocol === undefined
          ? []
          : nameErrors(qualifiedName, `${at}.appProtocol`, appProtocol)),
      ];
    }),
  ];
}

function endpointErrors(
  { addresses, nodeName, hostname }: NonNullable<EndpointSlice['endpoints']>[number],
  { addressType, at }: { readonly addressType: string; readonly at: string },
): FieldError[] {
  const path = `${at}.addresses`;
  const places = addresses ?? [];
  return [
    ...(places.length === 0 ? [required(path, 'must contain at least 1 address')] : []),
    ...tooManyErrors(path, places, ADDRESSES_MAX),
    ...places.slice(0, ADDRESSES_MAX).flatMap((address, index) => {
      const place = `${path}[${index}]`;
      if (addressType === 'FQDN') return nameErrors(subdomain, place, address);
      if (addressType !== 'IPv4' && addressType !== 'IPv6') return [];
      const errors = addressErrors(place, address);
      if (errors.length > 0) return errors;
      const isRight = (addressType === 'IPv4') === isIPv4(address);
      return isRight ? [] : [wrongValue(path, address, `must be an ${addressType} address`)];
    }),
    ...(nodeName === undefined ? [] : nameErrors(subdomain, `${at}.nodeName`, nodeName)),
    ...(hostname === undefined ? [] : nameErrors(dnsLabel, `${at}.hostname`, hostname)),
  ];
}
