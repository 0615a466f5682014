import ExifReader from 'exifreader';
import { fovFromFocalLength } from './lens.ts';

/** What an image says about its own geometry. Its GPS position is never read, so that no log or answer can hold it. */
export interface ImageMetadata {
  /** EXIF orientation 1..8 as stored; the decoded pixels are already upright. */
  readonly orientation: number;
  /** Size of the upright image before any reduction. */
  readonly sourceWidthPx: number;
  readonly sourceHeightPx: number;
  /** 35 mm equivalent focal length in millimetres. */
  readonly focalLength35mm?: number;
  /** Horizontal field of view of the upright image in degrees, from the focal length. */
  readonly fovDeg?: number;
  /** Azimuth of the optical axis in degrees clockwise from north, [0, 360). */
  readonly gpsHeadingDeg?: number;
  /** Which north `gpsHeadingDeg` counts from; the magnetic declination is not corrected. */
  readonly gpsHeadingReference?: 'true' | 'magnetic';
  readonly gpano?: PanoramaMetadata;
}

/** The Photo Sphere XMP of an equirectangular image, in pixels of the full 360 x 180 degree sphere. */
export interface PanoramaMetadata {
  readonly projection: 'equirectangular';
  readonly fullWidthPx: number;
  readonly fullHeightPx: number;
  readonly cropLeftPx: number;
  readonly cropTopPx: number;
  readonly cropWidthPx: number;
  readonly cropHeightPx: number;
  /** Azimuth of the middle of the full sphere in degrees clockwise from north, [0, 360). */
  readonly headingDeg?: number;
}

/** The raw blocks of an image's header. */
export interface ImageHeader {
  /** Size as stored, before the orientation is applied. */
  readonly widthPx: number;
  readonly heightPx: number;
  readonly orientation?: number | undefined;
  readonly exif?: Uint8Array | undefined;
  readonly xmp?: Uint8Array | undefined;
}

const MAX_XMP_BYTES = 256 * 1024;

/** Reads what the header says. Damaged or absurd values are left out; it never throws. */
export function readMetadata(header: ImageHeader): ImageMetadata {
  const orientation = header.orientation ?? 1;
  const turned = orientation >= 5;
  const sourceWidthPx = turned ? header.heightPx : header.widthPx;
  const sourceHeightPx = turned ? header.widthPx : header.heightPx;
  const exif = readExif(header.exif);
  const gpano = readGPano(header.xmp, sourceWidthPx, sourceHeightPx);
  return {
    orientation,
    sourceWidthPx,
    sourceHeightPx,
    ...exif,
    ...(exif.focalLength35mm === undefined
      ? {}
      : { fovDeg: fovFromFocalLength(exif.focalLength35mm, sourceWidthPx, sourceHeightPx) }),
    ...(gpano === undefined ? {} : { gpano }),
  };
}

type ExifFields = Pick<ImageMetadata, 'focalLength35mm' | 'gpsHeadingDeg' | 'gpsHeadingReference'>;

function readExif(exif: Uint8Array | undefined): ExifFields {
  const tiff = exif === undefined ? undefined : tiffOf(exif);
  if (tiff === undefined) return {};
  try {
    const tags = ExifReader.load(tiff, {
      includeTags: {
        exif: [
          'FocalLengthIn35mmFilm',
          'GPSImgDirection',
          'GPSImgDirectionRef',
          'GPS Info IFD Pointer',
          'Exif IFD Pointer',
        ],
      },
      expanded: true,
    }).exif;
    const focal = finite(tags?.FocalLengthIn35mmFilm?.value);
    const direction = rational(tags?.GPSImgDirection?.value);
    const reference = tags?.GPSImgDirectionRef?.value?.[0];
    return {
      ...(focal !== undefined && focal >= 1 && focal <= 2000 ? { focalLength35mm: focal } : {}),
      ...(direction !== undefined && direction >= 0 && direction <= 360
        ? { gpsHeadingDeg: direction % 360, gpsHeadingReference: reference === 'M' ? 'magnetic' : 'true' }
        : {}),
    };
  } catch {
    return {}; // a damaged EXIF block must not cost the photo its answer
  }
}

/** The TIFF structure inside an EXIF block, which JPEG and some WebP writers precede with "Exif\0\0". */
function tiffOf(exif: Uint8Array): Buffer | undefined {
  const prefixed = exif[0] === 0x45 && exif[1] === 0x78 && exif[2] === 0x69 && exif[3] === 0x66;
  const tiff = prefixed ? exif.subarray(6) : exif;
  return tiff.length < 14 ? undefined : Buffer.from(tiff);
}

function finite(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function rational(value: unknown): number | undefined {
  if (!Array.isArray(value)) return finite(value);
  const numerator = finite(value[0]);
  const denominator = finite(value[1]);
  if (numerator === undefined || denominator === undefined || denominator === 0) return undefined;
  return numerator / denominator;
}

/**
 * The GPano fields, as XML attributes or as elements. The packet is scanned for these few names and never parsed as a
 * document: it comes from strangers.
 */
function readGPano(xmp: Uint8Array | undefined, widthPx: number, heightPx: number): PanoramaMetadata | undefined {
  if (xmp === undefined || xmp.length > MAX_XMP_BYTES) return undefined;
  const text = new TextDecoder().decode(xmp);
  if (gpanoText(text, 'ProjectionType')?.toLowerCase() !== 'equirectangular') return undefined;
  const number = (name: string): number | undefined => {
    const found = gpanoText(text, name);
    return found === undefined ? undefined : finite(Number(found));
  };
  const cropWidthPx = number('CroppedAreaImageWidthPixels') ?? widthPx;
  const cropHeightPx = number('CroppedAreaImageHeightPixels') ?? heightPx;
  const fullWidthPx = number('FullPanoWidthPixels') ?? cropWidthPx;
  const fullHeightPx = number('FullPanoHeightPixels') ?? fullWidthPx / 2;
  const cropLeftPx = number('CroppedAreaLeftPixels') ?? (fullWidthPx - cropWidthPx) / 2;
  const cropTopPx = number('CroppedAreaTopPixels') ?? (fullHeightPx - cropHeightPx) / 2;
  const heading = number('PoseHeadingDegrees');
  const inside =
    cropWidthPx > 0 &&
    cropHeightPx > 0 &&
    cropLeftPx >= 0 &&
    cropTopPx >= 0 &&
    cropLeftPx + cropWidthPx <= fullWidthPx * 1.001 &&
    cropTopPx + cropHeightPx <= fullHeightPx * 1.001;
  const sameShape = Math.abs((cropWidthPx / cropHeightPx) * (heightPx / widthPx) - 1) < 0.03;
  if (!inside || !sameShape) return undefined;
  return {
    projection: 'equirectangular',
    fullWidthPx,
    fullHeightPx,
    cropLeftPx,
    cropTopPx,
    cropWidthPx,
    cropHeightPx,
    ...(heading === undefined ? {} : { headingDeg: ((heading % 360) + 360) % 360 }),
  };
}

function gpanoText(xmp: string, name: string): string | undefined {
  const match = new RegExp(`GPano:${name}\\s{0,8}(?:=\\s{0,8}["']|>)\\s{0,8}([\\w.+-]{1,40})`).exec(xmp);
  return match?.[1];
}
