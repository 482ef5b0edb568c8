import { ApiError } from '#api/meta/api-error.ts';
import { Certificate } from '#api/networking-v1alpha1/certificate.ts';
import type { Context } from '#reconcile/controller.ts';
import { recordEvent } from '#reconcile/record-event.ts';
import { ToldFailure } from '#reconcile/told-failure.ts';
import { placeOf } from '#controllers/serving/ensure-owned.ts';

/**
 * Deletes a Certificate that nobody needs any more, and says in an Event about it that it is gone; or that it is not, and
 * returns why (serving specification §1.11). Both Events are Normal, as upstream's.
 */
export async function deleteCertificate(
  context: Context,
  certificate: Certificate,
  { called, component }: { readonly called: string; readonly component: string },
): Promise<ToldFailure | undefined> {
  const place = placeOf(certificate.metadata);
  const text = `${called} ${place.namespace}/${place.name}`;
  const tell = async (reason: string, message: string): Promise<void> =>
    await recordEvent(context, certificate, { type: 'Normal', reason, message, component });
  try {
    await context.client.delete(Certificate, place);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    await tell('DeleteFailed', `Failed to delete ${text}: ${error.message}`);
    return new ToldFailure(error);
  }
  await tell('Deleted', `Deleted ${text}`);
  return undefined;
}
