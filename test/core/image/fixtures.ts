import { crc32, createDeflate } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';

/** A picture in which every corner differs: red top left, green top right, blue bottom left, white bottom right. */
export async function quadrants(widthPx = 120, heightPx = 80): Promise<Sharp> {
  const rgb = Buffer.alloc(widthPx * heightPx * 3);
  for (let y = 0; y < heightPx; y++) {
    for (let x = 0; x < widthPx; x++) {
      const right = x >= widthPx / 2;
      const below = y >= heightPx / 2;
      const colour = below ? (right ? [255, 255, 255] : [0, 0, 255]) : right ? [0, 255, 0] : [255, 0, 0];
      rgb.set(colour, (y * widthPx + x) * 3);
    }
  }
  return sharp(rgb, { raw: { width: widthPx, height: heightPx, channels: 3 } });
}

/** Smooth waves with some texture, like nothing in particular; the same for the same size. */
export function waves(widthPx: number, heightPx: number): { rgb: Uint8Array; widthPx: number; heightPx: number } {
  const rgb = new Uint8Array(widthPx * heightPx * 3);
  for (let y = 0; y < heightPx; y++) {
    for (let x = 0; x < widthPx; x++) {
      const u = x / widthPx;
      const v = y / heightPx;
      for (let c = 0; c < 3; c++) {
        const level = Math.sin(2 * Math.PI * (3 * u + c / 3)) * 60 + Math.cos(2 * Math.PI * (2 * v + 5 * u)) * 50;
        rgb[(y * widthPx + x) * 3 + c] = Math.round(128 + level);
      }
    }
  }
  return { rgb, widthPx, heightPx };
}

/** A one-colour grey PNG of any size, written without ever holding its pixels. */
export async function hugePng(widthPx: number, heightPx: number): Promise<Uint8Array> {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(widthPx, 0);
  header.writeUInt32BE(heightPx, 4);
  header.set([1, 0, 0, 0, 0], 8); // one bit a pixel, grey
  const row = Buffer.alloc(1 + Math.ceil(widthPx / 8));
  const deflate = createDeflate({ level: 9 });
  const compressed: Buffer[] = [];
  deflate.on('data', (chunk: Buffer) => compressed.push(chunk));
  const done = new Promise((resolve) => deflate.on('end', resolve));
  for (let y = 0; y < heightPx; y++) deflate.write(row);
  deflate.end();
  await done;
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    pngChunk('IHDR', header),
    pngChunk('IDAT', Buffer.concat(compressed)),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

function pngChunk(type: string, data: Buffer): Buffer {
  const typed = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(typed));
  return Buffer.concat([length, typed, checksum]);
}

export function gpanoXmp(fields: Record<string, string | number>): string {
  const attributes = Object.entries({ ProjectionType: 'equirectangular', ...fields })
    .map(([name, value]) => `GPano:${name}="${value}"`)
    .join(' ');
  return `<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:GPano="http://ns.google.com/photos/1.0/panorama/" ${attributes}/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>`;
}

export function pixelAt(image: { rgb: Uint8Array; widthPx: number }, x: number, y: number): [number, number, number] {
  const start = (y * image.widthPx + x) * 3;
  const [r = 0, g = 0, b = 0] = image.rgb.subarray(start, start + 3);
  return [r, g, b];
}
