import type { TokenReview as Generated } from '#api/generated/authentication-v1.ts';
import { defineCoreKind } from '#api/kind.ts';

export type TokenReview = Generated;
export const TokenReview = defineCoreKind<TokenReview>({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenReview',
  plural: 'tokenreviews',
  scope: 'Cluster',
  definition: 'io.k8s.api.authentication.v1.TokenReview',
});
