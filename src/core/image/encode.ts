import sharp, { type Sharp } from 'sharp';
import type { ImageFormat } from './format.ts';

interface Pixels {
  readonly rgb: Uint8Array;
  readonly widthPx: number;
  readonly heightPx: number;
}

/** IPTC's word for what a trained model made. */
export const SYNTHETIC_SOURCE_TYPE = 'http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia';

/** Who made a picture, and when, where that is to be told. Names and versions of models hold nothing that XML would read otherwise. */
export interface SyntheticMark {
  readonly model: { readonly name: string; readonly version: string };
  readonly createdAt?: Date | undefined;
}

const QUALITY = 88;

/** Encodes a picture that a model made, and says so in the file: XMP with IPTC's digital source type. */
export async function encodeSynthetic(
  { rgb, widthPx, heightPx }: Pixels,
  { format, mark }: { readonly format: ImageFormat; readonly mark: SyntheticMark },
): Promise<Uint8Array> {
  const picture = sharp(rgb, { raw: { width: widthPx, height: heightPx, channels: 3 } });
  const encoded = await inFormat(picture, format).withXmp(xmpOf(mark)).toBuffer();
  return new Uint8Array(encoded);
}

function inFormat(picture: Sharp, format: ImageFormat): Sharp {
  switch (format) {
    case 'webp':
      return picture.webp({ quality: QUALITY });
    case 'jpeg':
      return picture.jpeg({ quality: QUALITY });
    case 'png':
      return picture.png();
  }
}

function xmpOf({ model, createdAt }: SyntheticMark): string {
  const created = createdAt === undefined ? '' : ` xmp:CreateDate="${createdAt.toISOString()}"`;
  return `<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" Iptc4xmpExt:DigitalSourceType="${SYNTHETIC_SOURCE_TYPE}" xmp:CreatorTool="${model.name} ${model.version}"${created}/>
</rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>`;
}
