import type { EndpointAddress, EndpointSubset } from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { addressErrors, portErrors } from '#api/meta/address-errors.ts';
import { required } from '#api/meta/field-error.ts';
import { dnsLabel, nameErrors, qualifiedName, subdomain } from '#api/meta/name-errors.ts';
import { unsupportedErrors } from '#api/meta/value-errors.ts';

export function subsetErrors(subset: EndpointSubset, at: string): FieldError[] {
  const { addresses = [], notReadyAddresses = [], ports = [] } = subset;
  const isEmpty = addresses.length + notReadyAddresses.length === 0;
  return [
    ...(isEmpty ? [required(at, 'must specify `addresses` or `notReadyAddresses`')] : []),
    ...addresses.flatMap((one, index) => placeErrors(one, `${at}.addresses[${index}]`)),
    ...notReadyAddresses.flatMap((one, index) =>
      placeErrors(one, `${at}.notReadyAddresses[${index}]`),
    ),
    ...ports.flatMap(({ name, port, protocol, appProtocol }, index) => {
      const path = `${at}.ports[${index}]`;
      return [
        ...(name
          ? nameErrors(dnsLabel, `${path}.name`, name)
          : ports.length > 1
            ? [required(`${path}.name`)]
            : []),
        ...portErrors(`${path}.port`, port),
        ...unsupportedErrors(`${path}.protocol`, protocol, ['SCTP', 'TCP', 'UDP']),
        ...(appProtocol === undefined
          ? []
          : nameErrors(qualifiedName, `${path}.appProtocol`, appProtocol)),
      ];
    }),
  ];
}

function placeErrors({ ip, hostname, nodeName }: EndpointAddress, at: string): FieldError[] {
  return [
    ...addressErrors(`${at}.ip`, ip),
    ...(hostname ? nameErrors(dnsLabel, `${at}.hostname`, hostname) : []),
    ...(nodeName === undefined ? [] : nameErrors(subdomain, `${at}.nodeName`, nodeName)),
  ];
}
