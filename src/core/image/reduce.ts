import sharp from 'sharp';

interface Pixels {
  readonly rgb: Uint8Array;
  readonly widthPx: number;
  readonly heightPx: number;
}

/** Scales RGB pixels with a triangle filter as wide as the reduction, so that nothing aliases; off the event loop. */
export async function reduceTo(image: Pixels, size: { widthPx: number; heightPx: number }): Promise<Pixels> {
  if (size.widthPx === image.widthPx && size.heightPx === image.heightPx) return image;
  const { data } = await sharp(image.rgb, { raw: { width: image.widthPx, height: image.heightPx, channels: 3 } })
    .resize({ width: size.widthPx, height: size.heightPx, fit: 'fill', kernel: 'linear' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { rgb: new Uint8Array(data.buffer, data.byteOffset, data.byteLength), ...size };
}
