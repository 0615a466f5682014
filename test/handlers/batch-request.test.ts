import { describe, expect, test } from 'vitest';
import { readBatchForm } from '../../src/handlers/batch-form.ts';
import { type Batch, readCsv, readJsonBatch, readJsonLines } from '../../src/handlers/batch-manifest.ts';
import { readMultipart } from '../../src/handlers/multipart.ts';

const URL_A = 'https://example.org/a.jpg';
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const json = (value: unknown): Uint8Array => utf8(JSON.stringify(value));

/** What a reader refuses, as far as the caller is told. */
function refusalOf(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    return error;
  }
}

const pointers = (expected: readonly string[]) =>
  expect.objectContaining({
    code: 'INVALID_REQUEST',
    data: { errors: expected.map((pointer) => expect.objectContaining({ pointer })) },
  });

describe('a list of URLs', () => {
  const items = [
    { name: 'a', input: { type: 'url', url: URL_A }, options: { headingDeg: 10, topK: 3 } },
    {
      name: undefined,
      input: { type: 'url', url: URL_A },
      options: { topK: 5, prior: { type: 'circle', center: [1, 2], radiusM: 300 } },
    },
  ];

  test.each<[string, () => Batch]>([
    [
      'as JSON, where an image’s own options override those of the batch',
      () =>
        readJsonBatch(
          json({
            task: 'geolocate',
            options: { topK: 5 },
            images: [
              { url: URL_A, name: 'a', headingDeg: 370 - 360, topK: 3 },
              { url: URL_A, prior: { type: 'circle', center: [1, 2], radiusM: 300 } },
            ],
          }),
        ),
    ],
    [
      'as JSON on each line',
      () =>
        readJsonLines(
          utf8(
            `{"url":"${URL_A}","name":"a","headingDeg":10,"topK":3}\r\n\n{"url":"${URL_A}","topK":5,"prior":{"type":"circle","center":[1,2],"radiusM":300}}`,
          ),
          'geolocate',
        ),
    ],
    [
      'as a table, where an empty cell is no option',
      () =>
        readCsv(utf8(`name,url,headingDeg,topK,near\r\na,${URL_A},10,3,\r\n,${URL_A},,5,"1,2,300"\r\n`), 'geolocate'),
    ],
  ])('%s', (_name, read) => {
    expect(read()).toEqual({ task: 'geolocate', items });
  });

  test('for the other task has that one’s options', () => {
    expect(
      readJsonBatch(json({ task: 'embed', options: { view: 'ground' }, images: [{ url: URL_A, fovDeg: 60 }] })),
    ).toEqual({
      task: 'embed',
      items: [{ name: undefined, input: { type: 'url', url: URL_A }, options: { view: 'ground', fovDeg: 60 } }],
    });
  });

  test.each<[string, () => unknown, readonly string[]]>([
    ['no task', () => readJsonBatch(json({ images: [{ url: URL_A }] })), ['#/task']],
    ['an unknown task', () => readJsonBatch(json({ task: 'guess', images: [{ url: URL_A }] })), ['#/task']],
    ['an unknown member', () => readJsonBatch(json({ task: 'embed', images: [{ url: URL_A }], x: 1 })), ['#/x']],
    ['no image', () => readJsonBatch(json({ task: 'geolocate', images: [] })), ['#/images']],
    ['images that are no list', () => readJsonBatch(json({ task: 'geolocate', images: {} })), ['#/images']],
    ['an image that is only a URL', () => readJsonBatch(json({ task: 'geolocate', images: [URL_A] })), ['#/images/0']],
    ['base64', () => readJsonBatch(json({ task: 'geolocate', images: [{ base64: 'aaaa' }] })), ['#/images/0/url']],
    [
      'a URL that is none',
      () => readJsonBatch(json({ task: 'geolocate', images: [{ url: 'a b' }] })),
      ['#/images/0/url'],
    ],
    [
      'a URL of another scheme',
      () => readJsonBatch(json({ task: 'geolocate', images: [{ url: 'file:///a' }] })),
      ['#/images/0/url'],
    ],
    [
      'a line break in a URL',
      () => readJsonBatch(json({ task: 'geolocate', images: [{ url: `${URL_A}\r\nx: y` }] })),
      ['#/images/0/url'],
    ],
    [
      'a line break in a name',
      () => readJsonBatch(json({ task: 'geolocate', images: [{ url: URL_A, name: 'a\r\nb: c' }] })),
      ['#/images/0/name'],
    ],
    [
      'a name of 256 characters',
      () => readJsonBatch(json({ task: 'geolocate', images: [{ url: URL_A, name: 'n'.repeat(256) }] })),
      ['#/images/0/name'],
    ],
    [
      'an unknown option of the batch',
      () => readJsonBatch(json({ task: 'geolocate', options: { haeding: 1 }, images: [{ url: URL_A }] })),
      ['#/options/haeding'],
    ],
    [
      'wrong options of several images, all of them told',
      () =>
        readJsonBatch(
          json({ task: 'geolocate', images: [{ url: URL_A, topK: 0 }, { url: URL_A }, { url: URL_A, x: 1 }] }),
        ),
      ['#/images/0/topK', '#/images/2/x'],
    ],
    [
      'a heading for an aerial tile',
      () =>
        readJsonBatch(json({ task: 'embed', options: { view: 'satellite' }, images: [{ url: URL_A, headingDeg: 1 }] })),
      ['#/images/0/headingDeg'],
    ],
    [
      'lines without a URL',
      () => readJsonLines(utf8('{"url":1}\n{}'), 'geolocate'),
      ['#/images/0/url', '#/images/1/url'],
    ],
    ['no line', () => readJsonLines(utf8('\n \n'), 'geolocate'), ['#/images']],
    ['a table without a row', () => readCsv(utf8('url\n'), 'geolocate'), ['#/images']],
    ['a table with an unknown column', () => readCsv(utf8(`url,x\n${URL_A},1\n`), 'geolocate'), ['#/images/0/x']],
    [
      'a number that is none in a table',
      () => readCsv(utf8(`url,topK\n${URL_A},many\n`), 'geolocate'),
      ['#/images/0/topK'],
    ],
    [
      'two priors in a row',
      () => readCsv(utf8(`url,near,bbox\n${URL_A},"0,0,1","0,0,1,1"\n`), 'geolocate'),
      ['#/images/0/bbox'],
    ],
    ['an empty URL in a table', () => readCsv(utf8('url,name\n,a\n'), 'geolocate'), ['#/images/0/url']],
  ])('with %s is refused', (_name, read, expected) => {
    expect(refusalOf(read)).toEqual(pointers(expected));
  });

  test('of too many wrong images tells of the first twenty problems', () => {
    const images = Array.from({ length: 500 }, () => ({ url: URL_A, topK: 0 }));
    expect(refusalOf(() => readJsonBatch(json({ task: 'geolocate', images })))).toMatchObject({
      data: { errors: expect.objectContaining({ length: 20 }) },
    });
  });

  test.each<[string, (count: number) => unknown]>([
    ['JSON', (count) => readJsonBatch(json({ task: 'geolocate', images: Array(count).fill({ url: URL_A }) }))],
    ['lines', (count) => readJsonLines(utf8(`{"url":"${URL_A}"}\n`.repeat(count)), 'geolocate')],
    ['a table', (count) => readCsv(utf8(`url\n${`${URL_A}\n`.repeat(count)}`), 'geolocate')],
  ])('as %s may have 1,000 images, not one more', (_name, read) => {
    expect(read(1_000)).toMatchObject({ items: { length: 1_000 } });
    expect(refusalOf(() => read(1_001))).toMatchObject({ code: 'BATCH_TOO_LARGE' });
    expect(refusalOf(() => read(50_000))).toMatchObject({ code: 'BATCH_TOO_LARGE' });
  });

  test.each<[string, () => unknown]>([
    ['JSON that is none', () => readJsonBatch(utf8('{'))],
    ['JSON that is no UTF-8', () => readJsonBatch(Uint8Array.of(0x22, 0xff, 0x22))],
    ['a line that is no JSON', () => readJsonLines(utf8(`{"url":"${URL_A}"}\nx`), 'geolocate')],
    ['lines that are no UTF-8', () => readJsonLines(Uint8Array.of(0xc3, 0x28), 'geolocate')],
    ['a table without the column url', () => readCsv(utf8('name\na\n'), 'geolocate')],
    ['a table with a quote that is not closed', () => readCsv(utf8('url\n"a\n'), 'geolocate')],
    ['a table whose rows differ in length', () => readCsv(utf8('url,name\na\n'), 'geolocate')],
    ['a table with a column twice', () => readCsv(utf8('url,url\na,b\n'), 'geolocate')],
  ])('%s is malformed', (_name, read) => {
    expect(refusalOf(read)).toMatchObject({ code: 'MALFORMED_BODY' });
  });

  test.each(['[', '{"a":'])('JSON nested 10,000 deep (%s) is refused in a moment', (open) => {
    const close = open === '[' ? ']' : '}';
    const nested = `${open.repeat(10_000)}${open === '[' ? '' : '1'}${close.repeat(10_000)}`;
    for (const text of [nested, `{"task":"geolocate","images":[{"url":"${URL_A}","prior":${nested}}]}`]) {
      expect(refusalOf(() => readJsonBatch(utf8(text)))).toMatchObject({ code: 'INVALID_REQUEST' });
    }
  });
});

describe('a form of files', () => {
  interface Sent {
    readonly batch: Batch;
    readonly stored: readonly string[];
  }

  /** Reads the form as it comes over the network, in small pieces. */
  async function read(form: FormData, { maxImageBytes = 100, pieceBytes = 50 } = {}): Promise<Sent> {
    const sent = new Response(form);
    const [, boundary = ''] = (sent.headers.get('content-type') ?? '').split('boundary=');
    const stored: string[] = [];
    const bytes = new Uint8Array(await sent.arrayBuffer());
    async function* pieces(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
    }
    const batch = await readBatchForm(readMultipart(pieces(), boundary), {
      async put(source) {
        const chunks: Uint8Array[] = [];
        for await (const chunk of source instanceof Uint8Array ? [source] : source) chunks.push(chunk);
        stored.push(Buffer.concat(chunks).toString());
        return { type: 'object', key: `object-${stored.length}` };
      },
      hold: () => {},
      maxImageBytes,
    });
    return { batch, stored };
  }

  type Part = readonly [name: string, value: string | Blob, filename?: string];

  function formOf(parts: readonly Part[]): FormData {
    const form = new FormData();
    for (const [name, value, filename] of parts) {
      if (typeof value === 'string') form.append(name, value);
      else form.append(name, value, filename);
    }
    return form;
  }

  const image = (text: string, filename = `${text}.jpg`): Part => ['image', new Blob([text]), filename];
  const TASK: Part = ['task', 'geolocate'];

  test('is put away image by image, whatever order its parts have', async () => {
    const parts: Part[] = [
      image('one'),
      ['options', JSON.stringify({ topK: 2 })],
      image('two'.repeat(30)),
      ['imageOptions', new Blob([JSON.stringify([{ headingDeg: 7 }, {}])], { type: 'application/json' }), 'blob'],
      TASK,
    ];
    const expected = {
      task: 'geolocate',
      items: [
        { name: 'one.jpg', input: { type: 'object', key: 'object-1' }, options: { headingDeg: 7, topK: 2 } },
        { name: `${'two'.repeat(30)}.jpg`, input: { type: 'object', key: 'object-2' }, options: { topK: 2 } },
      ],
    };
    for (const order of [parts, parts.toReversed().sort(([a], [b]) => (a === 'image' && b === 'image' ? 1 : 0))]) {
      const { batch, stored } = await read(formOf(order));
      if (order === parts) expect(batch).toEqual(expected);
      expect(stored.toSorted()).toEqual(['one', 'two'.repeat(30)]);
    }
  });

  test('needs a task and an image, and nothing else', async () => {
    const { batch } = await read(formOf([TASK, image('one')]));
    expect(batch.items).toMatchObject([{ options: {} }]);
  });

  test.each<[string, readonly Part[], readonly string[]]>([
    ['no task', [image('one')], ['#/task']],
    ['an unknown task', [['task', 'guess'], image('one')], ['#/task']],
    ['no image', [TASK], ['#/images']],
    ['an image that is text', [TASK, ['image', 'text']], ['#/images/0']],
    ['an unknown part', [TASK, image('one'), ['x', 'y']], ['#/x']],
    ['the task twice', [TASK, TASK, image('one')], ['#/task']],
    ['the options twice', [['options', '{}'], ['options', '{}'], TASK, image('one')], ['#/options']],
    ['an unknown option', [TASK, ['options', '{"x":1}'], image('one')], ['#/options/x']],
    ['options that are no object', [TASK, ['options', '[]'], image('one')], ['#/options']],
    ['image options that are no list', [TASK, ['imageOptions', '{}'], image('one')], ['#/imageOptions']],
    ['image options for another count', [TASK, ['imageOptions', '[{},{}]'], image('one')], ['#/imageOptions']],
    ['a wrong option of one image', [TASK, image('one'), ['imageOptions', '[{"topK":0}]']], ['#/imageOptions/0/topK']],
    ['a file’s name that is too long', [TASK, image('one', 'n'.repeat(256))], ['#/images/0/name']],
  ])('with %s is refused', async (_name, parts, expected) => {
    await expect(read(formOf(parts))).rejects.toEqual(pointers(expected));
  });

  test('with options that are no JSON is malformed', async () => {
    for (const part of [
      ['options', '{'],
      ['imageOptions', 'x'],
      ['options', new Blob([Uint8Array.of(0x22, 0xff)])],
    ] as const) {
      await expect(read(formOf([TASK, part, image('one')]))).rejects.toMatchObject({ code: 'MALFORMED_BODY' });
    }
  });

  test('with an image too large is refused, and says which', async () => {
    const form = formOf([TASK, image('one'), image('x'.repeat(101), 'large.jpg')]);
    await expect(read(form)).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE', data: { index: 1, maxBytes: 100 } });
  });

  test('may have 1,000 images, not one more', async () => {
    const images = Array.from({ length: 1_000 }, (_, index) => image(String(index), 'a'));
    expect((await read(formOf([TASK, ...images]), { pieceBytes: 10_000 })).stored).toHaveLength(1_000);
    await expect(read(formOf([TASK, ...images, image('one')]), { pieceBytes: 10_000 })).rejects.toMatchObject({
      code: 'BATCH_TOO_LARGE',
    });
  });

  test('with a field beyond its limit is refused', async () => {
    const form = formOf([['options', JSON.stringify({ x: 'y'.repeat(4 * 1024 * 1024) })], TASK, image('one')]);
    await expect(read(form, { pieceBytes: 10_000 })).rejects.toMatchObject({ code: 'BODY_TOO_LARGE' });
  });
});
