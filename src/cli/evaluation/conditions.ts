import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { destination } from '../../core/geo/great-circle.ts';
import { type LonLat, wrap360 } from '../../core/geo/units.ts';
import type { GeolocateRequest } from '../../core/geolocate.ts';
import { decodeImage } from '../../core/image/decode.ts';
import type { ImageLimits } from '../../core/image/limits.ts';
import type { ViewSetQuery } from '../../core/regions/view-set.ts';
import type { Truth } from './outcome.ts';

export const CONDITIONS = ['aligned', 'unknown_heading', 'near300', 'photo', 'photo_unknown_heading'] as const;
export type ConditionName = (typeof CONDITIONS)[number];

interface Condition {
  readonly kind: 'panorama' | 'photo';
  readonly headingKnown: boolean;
  /** The caller knows a circle of this radius that holds the true place, its centre anywhere that allows. */
  readonly priorRadiusM?: number;
}

const MEANING: Readonly<Record<ConditionName, Condition>> = {
  aligned: { kind: 'panorama', headingKnown: true },
  unknown_heading: { kind: 'panorama', headingKnown: false },
  near300: { kind: 'panorama', headingKnown: true, priorRadiusM: 300 },
  photo: { kind: 'photo', headingKnown: true },
  photo_unknown_heading: { kind: 'photo', headingKnown: false },
};

/** Whether the labels allow to ask under that condition. */
export function isAskable(query: ViewSetQuery, name: ConditionName): boolean {
  const { kind, headingKnown, priorRadiusM } = MEANING[name];
  if (query.kind !== kind || (headingKnown && query.headingDeg === undefined)) return false;
  return priorRadiusM === undefined || query.location !== undefined;
}

/**
 * How the query is put to the engine, and what is true of what is shown. Where the heading is not to be known the file tells
 * none: a panorama is turned by a random angle (the same one each time), a photo loses its compass.
 */
export async function present(
  query: ViewSetQuery,
  { bytes, condition, limits }: { bytes: Uint8Array; condition: ConditionName; limits: ImageLimits },
): Promise<{ request: GeolocateRequest; truth: Truth }> {
  const { headingKnown, priorRadiusM } = MEANING[condition];
  const { location, headingDeg, fovDeg } = query;
  const random = randomOf(`${condition} ${query.id}`);
  const asked = {
    ...(fovDeg === undefined ? {} : { fovDeg }),
    ...(priorRadiusM === undefined || location === undefined
      ? {}
      : { prior: circleAround(location, priorRadiusM, random) }),
  };
  if (headingKnown) {
    return {
      request: { image: bytes, ...asked, ...(headingDeg === undefined ? {} : { headingDeg: wrap360(headingDeg) }) },
      truth: { location },
    };
  }
  const shown = await withoutHeading(bytes, { turns: isFullCircle(query), share: random(), limits });
  return {
    request: { image: shown.image, ...asked },
    truth: { location, ...(headingDeg === undefined ? {} : { headingDeg: wrap360(headingDeg + shown.turnedDeg) }) },
  };
}

function isFullCircle({ kind, fovDeg }: ViewSetQuery): boolean {
  return kind === 'panorama' && (fovDeg ?? 360) >= 359.5;
}

function circleAround(location: LonLat, radiusM: number, random: () => number) {
  const centre = destination(location, 360 * random(), radiusM * 0.999 * Math.sqrt(random()));
  return { type: 'circle', center: centre, radiusM } as const;
}

/** Keeps the bytes where nothing has to change. The image's middle then looks `turnedDeg` further clockwise. */
async function withoutHeading(
  bytes: Uint8Array,
  { turns, share, limits }: { turns: boolean; share: number; limits: ImageLimits },
): Promise<{ image: Uint8Array; turnedDeg: number }> {
  if (!turns) {
    const { metadata } = await decodeImage(bytes, limits);
    const tells = metadata.gpsHeadingDeg !== undefined || metadata.gpano?.headingDeg !== undefined;
    return { image: tells ? await sharp(bytes).autoOrient().png(FAST).toBuffer() : bytes, turnedDeg: 0 };
  }
  const { data, info } = await sharp(bytes).autoOrient().toColourspace('srgb').removeAlpha().raw().toBuffer({
    resolveWithObject: true,
  });
  const columns = Math.floor(share * info.width);
  const rowBytes = info.width * info.channels;
  const turned = Buffer.alloc(data.length);
  for (let top = 0; top < data.length; top += rowBytes) {
    const at = top + columns * info.channels;
    data.copy(turned, top, at, top + rowBytes);
    data.copy(turned, top + rowBytes - columns * info.channels, top, at);
  }
  const raw = { width: info.width, height: info.height, channels: info.channels };
  return { image: await sharp(turned, { raw }).png(FAST).toBuffer(), turnedDeg: (360 * columns) / info.width };
}

const FAST = { compressionLevel: 1 };

/** Numbers in [0, 1) that belong to a name: the same query is turned alike whatever else is measured. */
function randomOf(name: string): () => number {
  const digest = createHash('sha256').update(name).digest();
  let next = 0;
  return () => {
    const value = digest.readUInt32LE((next * 4) % digest.length) / 2 ** 32;
    next += 1;
    return value;
  };
}
