import { EmbedBodySchema, toEmbedBody } from '../handlers/embed.ts';
import { FovSchema, HeadingSchema } from '../handlers/schemas.ts';
import { type Command, type CommandContext, type CommandSpec, parseCommand } from './command.ts';
import { eachFile } from './each-file.ts';
import { withEngine } from './engine.ts';
import { Failure, UsageError } from './failure.ts';
import { createRemote } from './remote.ts';
import { numberOption, wordOption } from './values.ts';

const options = {
  view: {
    type: 'string',
    value: 'ground|satellite',
    help: 'a photo or panorama, or one north-up aerial tile (needed)',
  },
  heading: {
    type: 'string',
    value: 'DEG',
    help: 'ground: azimuth of the image’s middle, degrees clockwise from north',
  },
  fov: { type: 'string', value: 'DEG', help: 'ground: horizontal field of view in degrees' },
  url: { type: 'string', value: 'URL', help: 'send to a running server instead (default: GEO2_URL, if set)' },
} as const;

const spec = {
  name: 'embed',
  summary: 'Turns photos or aerial tiles into vectors of the space that both share.',
  arguments: 'FILE...',
  details: `A photo and the tile it was taken on point the same way: compare vectors by their inner product. The numbers are
printed with --json, one line for each file. FILE may be - for the standard input.`,
  options,
  examples: [
    'geo2 embed --view ground photo.jpg --json',
    'geo2 embed --view satellite tiles/*.png --json > tiles.jsonl',
  ],
} as const satisfies CommandSpec;

interface Embedded {
  readonly view: 'ground' | 'satellite';
  readonly model: { readonly name: string; readonly version: string };
  readonly width: number;
  readonly embedding: readonly number[];
  readonly reasons: readonly string[];
  readonly headingDeg?: number | undefined;
}

type EmbedOne = (image: Uint8Array) => Promise<Embedded>;

interface Asked {
  readonly view: 'ground' | 'satellite';
  readonly headingDeg: number | undefined;
  readonly fovDeg: number | undefined;
}

export const embed: Command = {
  spec,
  async run(argv, context) {
    const { values, positionals: files } = parseCommand(spec, argv);
    if (files.length === 0) throw new UsageError('Name at least one image: geo2 embed FILE... --view ground|satellite');
    const asked: Asked = {
      view: wordOption('--view', values.view, ['ground', 'satellite']),
      headingDeg: numberOption('--heading', values.heading, HeadingSchema),
      fovDeg: numberOption('--fov', values.fov, FovSchema),
    };
    if (asked.view === 'satellite' && (asked.headingDeg ?? asked.fovDeg) !== undefined) {
      throw new UsageError('--heading and --fov are for --view ground: an aerial tile is north up');
    }
    const url = values.url ?? context.env.GEO2_URL;
    const json = values.json === true;
    const run = (work: EmbedOne): Promise<number> => eachFile(files, { label: 'embed', json, context, work, describe });
    if (url !== undefined && url !== '') return run(throughServer(url, asked, context));
    return withEngine(context, { needsRegion: false }, (engine) =>
      run(async (bytes) => {
        const image = {
          bytes,
          ...(asked.headingDeg === undefined ? {} : { headingDeg: asked.headingDeg % 360 }),
          ...(asked.fovDeg === undefined ? {} : { fovDeg: asked.fovDeg }),
        };
        const answer = await engine.embed({ view: asked.view, images: [image], signal: context.signal });
        return single(toEmbedBody(answer, 'float', ''));
      }),
    );
  },
};

function throughServer(url: string, { view, headingDeg, fovDeg }: Asked, { env, signal }: CommandContext): EmbedOne {
  const remote = createRemote({ url, apiKey: env.GEO2_API_KEY, signal });
  const query = { view, headingDeg: headingDeg?.toString(), fovDeg: fovDeg?.toString() };
  return async (image) => single(await remote.postImage('/v1/embed', image, { query, answer: EmbedBodySchema }));
}

function single(body: ReturnType<typeof toEmbedBody>): Embedded {
  const [item] = body.items;
  if (item === undefined || typeof item.embedding === 'string') {
    throw new Failure('UNEXPECTED_ANSWER', 'The answer holds no list of numbers.');
  }
  const { view, model, width } = body;
  return { view, model, width, embedding: item.embedding, reasons: item.reasons, headingDeg: item.headingDeg };
}

const SHOWN = 6;

function describe(file: string, { view, model, width, embedding, reasons }: Embedded): string {
  const first = embedding.slice(0, SHOWN).map((value) => value.toFixed(4));
  const notes = reasons.length === 0 ? '' : `  (${reasons.join(', ')})`;
  return `${file}: ${view}, ${width} numbers by ${model.name} ${model.version}: ${first.join(' ')}${width > SHOWN ? ' …' : ''}${notes}\n`;
}
