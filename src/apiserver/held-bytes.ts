import { ApiError } from '#api/meta/api-error.ts';
import type { User } from '#apiserver/user.ts';

/** Of requests that are being answered and replies that are not read yet: of all users, and of one of them. */
const HELD_BYTES_MAX = 256 * 1024 * 1024;
const HELD_BYTES_OF_USER_MAX = HELD_BYTES_MAX / 2;

/**
 * What the bodies in memory weigh. A client that sends much, or asks for much and reads slowly, is told to try again
 * before its next request is looked at; somebody who holds nothing always gets in.
 */
export class HeldBytes {
  readonly #byUser = new Map<string, number>();
  #total = 0;

  add(user: User, bytes: number): void {
    const held = this.#of(user) + bytes;
    if (held === 0) this.#byUser.delete(user.name);
    else this.#byUser.set(user.name, held);
    this.#total += bytes;
  }

  /** Throws TooManyRequests where this user holds too much; the platform's administrators are never told so. */
  refuseAbove(user: User): void {
    const held = this.#of(user);
    const isTooMuch = held > HELD_BYTES_OF_USER_MAX || (held > 0 && this.#total > HELD_BYTES_MAX);
    if (!isTooMuch || user.groups.includes('system:masters')) return;
    throw new ApiError(
      'TooManyRequests',
      `Too many requests, please try again later: the bodies of "${user.name}" in memory have ${held} bytes, ${this.#total} those of all`,
      { retryAfterSeconds: 1 },
    );
  }

  #of(user: User): number {
    return this.#byUser.get(user.name) ?? 0;
  }
}

/** The bodies of one request and its reply, until it is disposed. */
export class HeldBody implements Disposable {
  readonly #all: HeldBytes;
  #user: User | undefined;
  #bytes = 0;

  constructor(all: HeldBytes) {
    this.#all = all;
  }

  /** Says whose they are, once that is known. Throws TooManyRequests where there are too many of that user's already. */
  begin(user: User): void {
    this.#user = user;
    this.#all.refuseAbove(user);
  }

  /** Of a request, as they come. Throws TooManyRequests likewise. */
  receive(bytes: number): void {
    this.keep(bytes);
    if (this.#user) this.#all.refuseAbove(this.#user);
  }

  /** Of a reply, which is there already and so is never refused. */
  keep(bytes: number): void {
    if (!this.#user) return;
    this.#bytes += bytes;
    this.#all.add(this.#user, bytes);
  }

  [Symbol.dispose](): void {
    this.keep(-this.#bytes);
  }
}
