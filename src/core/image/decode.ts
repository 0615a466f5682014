import sharp from 'sharp';
import { Geo2Error, throwIfCanceled } from '../errors.ts';
import { type ImageFormat, sniffFormat } from './format.ts';
import type { ImageLimits } from './limits.ts';
import { type ImageMetadata, readMetadata } from './metadata.ts';
import { createPixelGate } from './pixel-gate.ts';

/** Upright 8-bit sRGB pixels, row by row, three bytes a pixel. */
export interface DecodedImage {
  readonly rgb: Uint8Array;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly metadata: ImageMetadata;
}

/** What shows through a transparent pixel: mid grey, which is neither sky nor shadow. */
const TRANSPARENT_BECOMES = { r: 128, g: 128, b: 128 };

/** One for the process, because it is the process' memory that it guards. */
const gate = createPixelGate(50_000_000);

/**
 * Decodes a JPEG, PNG or WebP (its first frame) into upright sRGB. The bytes' size and the header's dimensions are checked
 * before a pixel is decoded, and a large image is reduced while it is decoded (`limits.fitWithinPx`).
 *
 * Errors: IMAGE_EMPTY, IMAGE_UNSUPPORTED, IMAGE_TRUNCATED, IMAGE_TOO_LARGE, IMAGE_TOO_SMALL; CANCELED when aborted.
 */
export async function decodeImage(
  bytes: Uint8Array,
  limits: ImageLimits,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<DecodedImage> {
  const format = checkBytes(bytes, limits);
  throwIfCanceled(options.signal);
  blockOtherLoaders();
  const header = await readHeader(bytes, format, limits);
  const leave = await gate.enter(header.widthPx * header.heightPx, options.signal);
  try {
    const pixels = await decodePixels(bytes, format, limits);
    throwIfCanceled(options.signal);
    return { ...pixels, metadata: readMetadata(header) };
  } finally {
    leave();
  }
}

function checkBytes(bytes: Uint8Array, limits: ImageLimits): ImageFormat {
  if (bytes.length === 0) throw new Geo2Error('IMAGE_EMPTY', 'The image has no bytes.');
  if (bytes.length > limits.maxBytes) {
    throw new Geo2Error(
      'IMAGE_TOO_LARGE',
      `The image has ${bytes.length} bytes; at most ${limits.maxBytes} are accepted.`,
      {
        data: { sizeBytes: bytes.length, maxBytes: limits.maxBytes },
      },
    );
  }
  const format = sniffFormat(bytes);
  if (format === undefined) throw new Geo2Error('IMAGE_UNSUPPORTED', 'The image is not a JPEG, PNG or WebP file.');
  return format;
}

type Header = Parameters<typeof readMetadata>[0];

async function readHeader(bytes: Uint8Array, format: ImageFormat, limits: ImageLimits): Promise<Header> {
  const found = await open(bytes, limits)
    .metadata()
    .catch((cause: unknown) => {
      throw domainError(cause, format, limits);
    });
  const { width: widthPx, height: heightPx } = found;
  if (found.format !== format) throw new Geo2Error('IMAGE_UNSUPPORTED', `The image is not a proper ${format} file.`);
  if (widthPx * heightPx > limits.maxPixels) throw tooManyPixels(limits, { widthPx, heightPx });
  if (Math.min(widthPx, heightPx) < limits.minSidePx) {
    throw new Geo2Error(
      'IMAGE_TOO_SMALL',
      `The image is ${widthPx} x ${heightPx} px; each side needs ${limits.minSidePx}.`,
      {
        data: { widthPx, heightPx, minSidePx: limits.minSidePx },
      },
    );
  }
  return { widthPx, heightPx, orientation: found.orientation, exif: found.exif, xmp: found.xmp };
}

async function decodePixels(bytes: Uint8Array, format: ImageFormat, limits: ImageLimits) {
  const { fitWithinPx } = limits;
  const upright = open(bytes, limits).autoOrient();
  const reduced =
    fitWithinPx === undefined
      ? upright
      : upright.resize({
          width: fitWithinPx,
          height: fitWithinPx,
          fit: 'inside',
          withoutEnlargement: true,
          kernel: 'linear',
        });
  const { data, info } = await reduced
    .flatten({ background: TRANSPARENT_BECOMES })
    .toColourspace('srgb')
    .timeout({ seconds: limits.timeoutS })
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
    .catch((cause: unknown) => {
      throw domainError(cause, format, limits);
    });
  if (info.channels !== 3) throw new Geo2Error('IMAGE_UNSUPPORTED', `The image has ${info.channels} colour channels.`);
  return {
    rgb: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    widthPx: info.width,
    heightPx: info.height,
  };
}

function open(bytes: Uint8Array, limits: ImageLimits) {
  // 'error' refuses cut and corrupt pixels, and lets pass the harmless warnings of many phones' JPEGs
  return sharp(bytes, { limitInputPixels: limits.maxPixels, failOn: 'error', sequentialRead: true, pages: 1 });
}

let blocked = false;

/**
 * The sniffing above already keeps other encodings out; this holds even if libvips and we disagree about the first bytes.
 * Once only: a decode that runs between the two lines would find every loader blocked.
 */
function blockOtherLoaders(): void {
  if (blocked) return;
  blocked = true;
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({ operation: ['VipsForeignLoadJpegBuffer', 'VipsForeignLoadPngBuffer', 'VipsForeignLoadWebpBuffer'] });
}

function domainError(cause: unknown, format: ImageFormat, limits: ImageLimits): Geo2Error {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (/pixel limit/i.test(message)) return tooManyPixels(limits, {}, cause);
  if (/timeout/i.test(message)) {
    return new Geo2Error('IMAGE_TOO_LARGE', `The image takes longer than ${limits.timeoutS} s to decode.`, { cause });
  }
  if (/unsupported|not supported|not implemented/i.test(message)) {
    return new Geo2Error('IMAGE_UNSUPPORTED', `The image uses a kind of ${format} that is not decoded.`, { cause });
  }
  return new Geo2Error('IMAGE_TRUNCATED', `The ${format} image is cut off or damaged.`, { cause });
}

function tooManyPixels(limits: ImageLimits, data: Record<string, unknown>, cause?: unknown): Geo2Error {
  return new Geo2Error('IMAGE_TOO_LARGE', `The image has more than ${limits.maxPixels} pixels.`, {
    data: { ...data, maxPixels: limits.maxPixels },
    cause,
  });
}
