import { GoTemplateError } from '#base/go-template.ts';
import { Namespace } from '#api/core-v1/namespace.ts';
import { matchLabelSelector } from '#api/meta/selector.ts';
import { isOwnedBy } from '#api/meta/object-meta.ts';
import { Certificate } from '#api/networking-v1alpha1/certificate.ts';
import { networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import { domainFor, wildcardDomains } from '#api/serving-config/config-domain.ts';
import {
  defineController,
  TerminalError,
  type Context,
  type Controller,
} from '#reconcile/controller.ts';
import { deleteCertificate } from '#controllers/serving/certificate/delete-certificate.ts';
import { desiredCertificate } from '#controllers/serving/certificate/desired-certificate.ts';
import { ensureOwned } from '#controllers/serving/ensure-owned.ts';
import { asOfNow, type ServingConfig } from '#controllers/serving/serving-config.ts';

/** Namespace → a Certificate for all hosts of each domain, where config-network selects it (specification §3.11). */
export function namespaceCertificateController(config: ServingConfig): Controller<Namespace> {
  return defineController<Namespace>({
    kind: Namespace,
    owns: [Certificate],
    isSilent: true,
    async reconcile(namespace, context) {
      await reconcileNamespace(namespace, context, asOfNow(config));
      return {};
    },
  });
}

async function reconcileNamespace(
  owner: Namespace,
  context: Context,
  config: ServingConfig,
): Promise<void> {
  const { client } = context;
  const component = 'nscert-controller';
  const { name: namespace = '', labels } = owner.metadata;
  const labelSelector = networkingKeys.wildcardDomain;
  const { items: existing } = await client.list(Certificate, { namespace, labelSelector });
  const selector = config.settings().network.wildcardNamespaces;
  const isSelected = selector !== undefined && matchLabelSelector(selector)(labels);
  const desired = isSelected ? desiredWildcards(owner, config) : [];
  for (const certificate of desired) {
    const isCovered = existing.some(
      (one) => !isOwnedBy(one, owner) && isFor(one, certificate.spec.dnsNames ?? []),
    );
    if (isCovered) continue;
    const { name = '' } = certificate.metadata;
    const ensured = await ensureOwned(client, Certificate, {
      owner,
      desired: certificate,
      settings: config.settings(),
      teller: {
        context,
        component,
        called: `Knative Certificate ${namespace}/${name}`,
        unmade: `Knative certificate ${namespace}/${name}`,
        isAboutChild: true,
      },
    });
    if (!ensured) {
      const message = `namespace ${namespace} does not own Knative Certificate: ${name}`;
      throw new TerminalError(message);
    }
  }
  for (const certificate of existing) {
    const { name = '' } = certificate.metadata;
    const isWanted = desired.some(({ metadata }) => metadata.name === name);
    if (isWanted || !isOwnedBy(certificate, owner)) continue;
    const called = 'Knative Certificate';
    const failure = await deleteCertificate(context, certificate, { called, component });
    if (failure) throw failure;
  }
}

function isFor({ spec }: Certificate, dnsNames: readonly string[]): boolean {
  return dnsNames.every((name) => spec.dnsNames?.includes(name));
}

function desiredWildcards(owner: Namespace, config: ServingConfig): readonly Certificate[] {
  const settings = config.settings();
  const domains = new Set(wildcardDomains(settings.domain));
  if (domainFor(settings.domain, {}) === undefined) domains.add(config.domain);
  domains.delete(`svc.${config.clusterDomain}`);
  const { name: namespace = '' } = owner.metadata;
  return [...domains].map((domain) => {
    const dnsName = wildcardOf(domain, namespace, config);
    const wish = {
      name: dnsName.slice('*.'.length),
      namespace,
      labels: { [networkingKeys.wildcardDomain]: domain },
      dnsNames: [dnsName],
      domain,
    };
    const { metadata, ...rest } = desiredCertificate(owner, wish, settings);
    const { certificateClass } = networkingKeys;
    const annotations = { [certificateClass]: metadata.annotations?.[certificateClass] ?? '' };
    return { ...rest, metadata: { ...metadata, annotations } };
  });
}

/** The hosts of a namespace, as the domain template has them. */
function wildcardOf(domain: string, namespace: string, config: ServingConfig): string {
  const none = new Map<string, string>();
  const data = { Name: '*', Namespace: namespace, Domain: domain, Annotations: none, Labels: none };
  try {
    const name = config.settings().network.domainTemplate.execute(data);
    if (/^\*\..+$/.test(name)) return name;
    throw new TerminalError(`invalid DomainTemplate: ${name}`);
  } catch (error) {
    if (!(error instanceof GoTemplateError)) throw error;
    throw new TerminalError(error.message);
  }
}
