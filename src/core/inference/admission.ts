import { Geo2Error } from '../errors.ts';

/**
 * Counts the images that are on their way through the model, from before they are decoded until their embedding is there. What has no
 * room is refused before anything is spent on it: decoding for nothing is what would make an overloaded service serve less.
 */
export interface Admission {
  /** Errors: OVERLOADED (`data.retryAfterS`) when there is no room, or no answer to be had before the deadline; those of `work`. */
  run<T>(asked: { images: number; deadlineMs?: number | undefined }, work: () => Promise<T>): Promise<T>;
  /** Images on their way. */
  readonly held: number;
}

export interface AdmissionOptions {
  readonly maxImages: number;
  readonly nowMs: () => number;
}

/** Share of a deadline that waiting may take: what is estimated is not known. */
const WAIT_SHARE = 0.8;
/** Weight of the last image in the running mean. */
const NEWEST = 0.1;

export function createAdmission({ maxImages, nowMs }: AdmissionOptions): Admission {
  let held = 0;
  /** While busy, from one image that is done to the next; 0 until that is known. */
  let msPerImage = 0;
  /** When the last image was done, or the first of a busy time came. */
  let markMs = 0;

  function refuseWithoutRoom(images: number, deadlineMs: number | undefined): void {
    const waitMs = held * msPerImage;
    const tooMany = held > 0 && held + images > maxImages; // a call larger than all of it is somebody else's to refuse
    const tooLate = held > 0 && deadlineMs !== undefined && waitMs > WAIT_SHARE * deadlineMs;
    if (!tooMany && !tooLate) return;
    throw new Geo2Error('OVERLOADED', `The service is at its capacity: ${held} images are waiting for the model.`, {
      data: { retryAfterS: Math.max(1, Math.ceil(waitMs / 1000)), retryable: true },
    });
  }

  function learn(images: number): void {
    const now = nowMs();
    const perImage = (now - markMs) / images;
    markMs = now;
    msPerImage = msPerImage === 0 ? perImage : (1 - NEWEST) * msPerImage + NEWEST * perImage;
  }

  return {
    get held() {
      return held;
    },
    async run({ images, deadlineMs }, work) {
      refuseWithoutRoom(images, deadlineMs);
      if (held === 0) markMs = nowMs();
      held += images;
      try {
        const result = await work();
        if (images > 0) learn(images);
        return result;
      } finally {
        held -= images;
      }
    },
  };
}
