import type { Clock } from '#base/clock.ts';
import type { Random } from '#base/random.ts';
import { BLOB_BYTES_MAX, type ContentStore, type Upload } from '../content/content-store.ts';
import { isDigest, type Digest } from '../digest.ts';
import { ImageError } from '../image.ts';
import { RegistryError } from './registry-error.ts';
import type { RegistryReply, RegistryRequest } from './registry-exchange.ts';
import { parseBlobDigest } from './registry-route.ts';

/** A client that sends nothing for so long has to begin again. */
const IDLE_MS = 60 * 60 * 1000;
/** Each holds an open file. */
const SESSIONS_MAX = 256;

export interface UploadSessionsOptions {
  readonly store: ContentStore;
  readonly clock: Clock;
  readonly random: Random;
}

/** Blobs on their way in: POST, GET, PATCH, PUT and DELETE below /v2/{name}/blobs/uploads/ */
export class UploadSessions implements AsyncDisposable {
  readonly #options: UploadSessionsOptions;
  readonly #sessions = new Map<string, Session>();

  constructor(options: UploadSessionsOptions) {
    this.#options = options;
  }

  /** POST: mounts a blob that is here, takes one whole (`?digest=`), or begins a session. */
  async begin(request: RegistryRequest, repository: string): Promise<RegistryReply> {
    if (request.method !== 'POST')
      throw new RegistryError('UNSUPPORTED', `${request.method} of uploads is not supported`);
    const mount = request.query.get('mount');
    // Blobs belong to no repository here, so whatever is here can be mounted from anywhere.
    if (mount && isDigest(mount) && (await this.#options.store.touch(mount)))
      return stored(repository, mount);
    const digest = request.query.get('digest');
    const wanted = digest === null ? undefined : parseBlobDigest(digest);
    if (this.#sessions.size >= SESSIONS_MAX)
      throw new RegistryError('TOOMANYREQUESTS', `${SESSIONS_MAX} uploads are under way`);
    const upload = await this.#options.store.beginUpload();
    const id = this.#options.random.uuid();
    const session: Session = { id, repository, upload, isBusy: false, expiry: undefined };
    this.#sessions.set(id, session);
    if (wanted) return this.#use(session, () => this.#finish(request, session, wanted));
    this.#expireLater(session);
    return progress(session, 202);
  }

  /** GET, PATCH, PUT or DELETE of one session. */
  async continue(
    request: RegistryRequest,
    { repository, session: id }: { readonly repository: string; readonly session: string },
  ): Promise<RegistryReply> {
    const session = this.#sessions.get(id);
    if (!session || session.repository !== repository)
      throw new RegistryError('BLOB_UPLOAD_UNKNOWN', `upload ${id}: it ended or never began`);
    switch (request.method) {
      case 'GET':
        return progress(session, 204);
      case 'PATCH':
        return this.#use(session, async () => {
          await append(request, session);
          return progress(session, 202);
        });
      case 'PUT': {
        const digest = parseBlobDigest(request.query.get('digest') ?? '');
        return this.#use(session, () => this.#finish(request, session, digest));
      }
      case 'DELETE':
        return this.#use(session, async () => {
          await this.#drop(session);
          return { status: 204 };
        });
      default:
        throw new RegistryError('UNSUPPORTED', `${request.method} of an upload is not supported`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions.values()) await this.#drop(session);
  }

  async #finish(
    request: RegistryRequest,
    session: Session,
    digest: Digest,
  ): Promise<RegistryReply> {
    try {
      await append(request, session);
      await session.upload.commit(digest);
      return stored(session.repository, digest);
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      throw new RegistryError('DIGEST_INVALID', error.message, { cause: error });
    } finally {
      await this.#drop(session);
    }
  }

  /** A session's requests do not overlap, and its idle time begins when one ends. */
  async #use(session: Session, work: () => Promise<RegistryReply>): Promise<RegistryReply> {
    if (session.isBusy)
      throw new RegistryError('BLOB_UPLOAD_INVALID', 'another request is writing to this upload', {
        status: 409,
      });
    session.isBusy = true;
    session.expiry?.[Symbol.dispose]();
    try {
      return await work();
    } finally {
      session.isBusy = false;
      if (this.#sessions.has(session.id)) this.#expireLater(session);
    }
  }

  #expireLater(session: Session): void {
    session.expiry = this.#options.clock.after(IDLE_MS, () => {
      this.#sessions.delete(session.id);
      // Nobody waits for this; what cannot be removed now goes with the next collection.
      session.upload.abort().catch(() => undefined);
    });
  }

  async #drop(session: Session): Promise<void> {
    this.#sessions.delete(session.id);
    session.expiry?.[Symbol.dispose]();
    await session.upload.abort();
  }
}

/** RFC 4918 §11.5. */
const INSUFFICIENT_STORAGE = 507;

interface Session {
  readonly id: string;
  readonly repository: string;
  readonly upload: Upload;
  isBusy: boolean;
  expiry: Disposable | undefined;
}

/** Adds a body. What arrived of an interrupted one stays, so that the client may go on from there. */
async function append(request: RegistryRequest, session: Session): Promise<void> {
  const { upload } = session;
  const range = /^(?:bytes[ =])?(\d+)-(\d+)/.exec(request.headers['content-range'] ?? '');
  if (range && Number(range[1]) !== upload.size)
    throw new RegistryError(
      'BLOB_UPLOAD_INVALID',
      `content-range ${range[0]}: wanted it to begin at ${upload.size}`,
      { status: 416, headers: progressHeaders(session) },
    );
  const length = Number(request.headers['content-length'] ?? 0);
  if (upload.size + length > BLOB_BYTES_MAX)
    throw new RegistryError('SIZE_INVALID', `blob: more than ${BLOB_BYTES_MAX} bytes`);
  try {
    for await (const chunk of request.body) await upload.write(chunk);
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    const { message: why } = error;
    if (error.reason === 'Invalid') throw new RegistryError('SIZE_INVALID', why, { cause: error });
    throw new RegistryError('UNKNOWN', why, { status: INSUFFICIENT_STORAGE, cause: error });
  }
}

function progress(session: Session, status: number): RegistryReply {
  return { status, headers: { ...progressHeaders(session), 'content-length': '0' } };
}

function progressHeaders({ id, repository, upload }: Session): Record<string, string> {
  return {
    location: `/v2/${repository}/blobs/uploads/${id}`,
    'docker-upload-uuid': id,
    range: `0-${Math.max(0, upload.size - 1)}`,
  };
}

function stored(repository: string, digest: Digest): RegistryReply {
  return {
    status: 201,
    headers: {
      location: `/v2/${repository}/blobs/${digest}`,
      'docker-content-digest': digest,
      'content-length': '0',
    },
  };
}
