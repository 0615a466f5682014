import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { boundaryOf, readMultipart } from '../../src/handlers/multipart.ts';

interface Read {
  readonly name: string;
  readonly filename: string | undefined;
  readonly text: string;
}

/** The parts of a body that comes in chunks of the given size. */
async function partsOf(body: string | Uint8Array, { boundary = 'x', chunkBytes = 65_536 } = {}): Promise<Read[]> {
  const parts: Read[] = [];
  for await (const { name, filename, body: bytes } of readMultipart(chunksOf(body, chunkBytes), boundary)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of bytes) chunks.push(chunk);
    parts.push({ name, filename, text: Buffer.concat(chunks).toString('latin1') });
  }
  return parts;
}

async function* chunksOf(body: string | Uint8Array, chunkBytes: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(body);
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}

const part = (text: string, disposition = 'form-data; name="a"'): string =>
  `--x\r\nContent-Disposition: ${disposition}\r\n\r\n${text}\r\n`;

describe('a form', () => {
  test('as fetch writes it is read as it was, however its bytes are cut', async () => {
    const file = fc.uint8Array({ maxLength: 200 });
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).map((text) => text.toWellFormed());
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(name, name, file), { maxLength: 5 }),
        fc.integer({ min: 1, max: 90 }),
        async (files, chunkBytes) => {
          const form = new FormData();
          for (const [field, filename, bytes] of files) form.append(field, new Blob([new Uint8Array(bytes)]), filename);
          form.append('last', 'text');
          const sent = new Response(form);
          const boundary = boundaryOf(sent.headers.get('content-type') ?? '');
          const parts = await partsOf(new Uint8Array(await sent.arrayBuffer()), { boundary, chunkBytes });
          expect(parts.map(({ text }) => text)).toEqual([
            ...files.map(([, , bytes]) => Buffer.from(bytes).toString('latin1')),
            'text',
          ]);
          expect(parts.at(-1)).toMatchObject({ name: 'last', filename: undefined });
        },
      ),
      { numRuns: 60 },
    );
  });

  test.each(['a\u2028b', 'a\\', '\\', 'C:\\photos\\', 'a";b', 'a\\"b'])(
    'as fetch writes it has a file that is named %s',
    async (filename) => {
      const form = new FormData();
      form.append('image', new Blob(['text']), filename);
      const sent = new Response(form);
      const boundary = boundaryOf(sent.headers.get('content-type') ?? '');
      const parts = await partsOf(new Uint8Array(await sent.arrayBuffer()), { boundary });
      expect(parts).toMatchObject([{ name: 'image', text: 'text' }]);
    },
  );

  test('has bodies that look like its delimiter', async () => {
    const text = '\r\n--\r\n--y\r\n-x--x\r--x\n--x\r\n';
    for (const chunkBytes of [1, 2, 3, 5, 1000]) {
      expect(await partsOf(`${part(text)}${part('')}--x--`, { chunkBytes })).toMatchObject([{ text }, { text: '' }]);
    }
  });

  test('may have a preamble, white space after a delimiter, and an epilogue', async () => {
    const body = `preamble\r\n--x \t\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x--\r\nepilogue`;
    expect(await partsOf(body, { chunkBytes: 1 })).toEqual([{ name: 'a', filename: undefined, text: 'b' }]);
  });

  test('without a part has none', async () => {
    expect(await partsOf('--x--\r\n')).toEqual([]);
  });

  test('goes on behind a part whose body is not read, or not to its end', async () => {
    const names: string[] = [];
    const body = `${part('first'.repeat(100))}${part('second', 'form-data; name="b"')}${part('', 'form-data; name="c"')}--x--`;
    for await (const { name, body: bytes } of readMultipart(chunksOf(body, 7), 'x')) {
      names.push(name);
      if (name === 'a') for await (const _chunk of bytes) break;
    }
    expect(names).toEqual(['a', 'b', 'c']);
  });

  test('is never held: a part is handed on while it comes', async () => {
    const chunk = new Uint8Array(65_536);
    let ahead = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(part('').slice(0, -2));
      for (let i = 0; i < 200; i++) {
        ahead += chunk.length;
        yield chunk;
      }
      yield Buffer.from('\r\n--x--');
    }
    let most = 0;
    for await (const { body } of readMultipart(endless(), 'x')) {
      for await (const bytes of body) {
        ahead -= bytes.length;
        most = Math.max(most, ahead);
      }
    }
    expect(most).toBeLessThanOrEqual(2 * chunk.length);
  });
});

describe('names', () => {
  test.each<[string, string, string | undefined]>([
    ['form-data; name="a"', 'a', undefined],
    ['form-data; name=a; filename=b.jpg', 'a', 'b.jpg'],
    ['FORM-DATA ;NAME="a" ; Filename="b;c.jpg"', 'a', 'b;c.jpg'],
    ['form-data; name="a%22b"; filename="c\\"d"', 'a"b', 'c"d'],
    ['form-data; name="a"; filename="C:\\tmp\\b.jpg"', 'a', 'C:\\tmp\\b.jpg'],
    ['form-data; name="ä"; filename="日本.jpg"', 'ä', '日本.jpg'],
    ['form-data; name=""; filename=""', '', ''],
  ])('%s', async (disposition, name, filename) => {
    expect(await partsOf(`${part('', disposition)}--x--`)).toEqual([{ name, filename, text: '' }]);
  });
});

describe('refused is', () => {
  test.each<[string, string | Uint8Array]>([
    ['nothing', ''],
    ['a body that is no form', 'x'.repeat(10_000)],
    ['another boundary', part('a').replaceAll('--x', '--y')],
    ['a part that does not end', part('a').slice(0, -2)],
    ['a form that does not end', part('a')],
    ['a form cut in its last delimiter', `${part('a')}--x`],
    ['headers that do not end', '--x\r\nContent-Disposition: form-data; name="a"'],
    ['headers that are endless', `--x\r\n${'A: b\r\n'.repeat(5_000)}`],
    ['a part without headers', '--x\r\n\r\nbody\r\n--x--'],
    ['a part without a disposition', '--x\r\nContent-Type: image/png\r\n\r\nbody\r\n--x--'],
    ['a part with two', `--x\r\nContent-Disposition: form-data; name="a"\r\n${part('').slice(5)}--x--`],
    ['an attachment', `${part('', 'attachment; name="a"')}--x--`],
    ['a name that is given twice', `${part('', 'form-data; name="a"; name="b"')}--x--`],
    ['no name', `${part('', 'form-data; filename="b"')}--x--`],
    ['a quote that is not closed', `${part('', 'form-data; name="a')}--x--`],
    ['a folded header', `${part('', 'form-data;\r\n name="a"')}--x--`],
    ['a line feed within a header', `${part('', 'form-data; name="a\nb: c"')}--x--`],
    ['a NUL within a header', `${part('', 'form-data; name="a\0"')}--x--`],
    ['a name that is no UTF-8', Buffer.from(`${part('', 'form-data; name="\xff"')}--x--`, 'latin1')],
    ['text behind a delimiter', '--xy\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--'],
    [
      'a part in base64',
      '--x\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--x--',
    ],
  ])('%s', async (_name, body) => {
    for (const chunkBytes of [1, 65_536]) {
      await expect(partsOf(body, { chunkBytes })).rejects.toMatchObject({ code: 'MALFORMED_BODY' });
    }
  });

  test.each([
    'multipart/form-data',
    'multipart/form-data; boundary=',
    'multipart/form-data; boundary=""',
    'multipart/form-data; boundary="a "',
    'multipart/form-data; boundary="ä"',
    `multipart/form-data; boundary=${'x'.repeat(71)}`,
    'multipart/form-data; boundary="a',
  ])('the content type %s', (contentType) => {
    expect(() => boundaryOf(contentType)).toThrow('boundary');
  });

  test('no boundary that is proper', () => {
    expect(boundaryOf('multipart/form-data; boundary=----WebKitFormBoundary7MA4')).toBe('----WebKitFormBoundary7MA4');
    expect(boundaryOf('multipart/form-data; charset=utf-8; Boundary="a b:c" ; x=y')).toBe('a b:c');
  });
});
