import { writeFile } from 'node:fs/promises';
import { extname } from 'node:path';
import type { ImageFormat } from '../core/image/format.ts';
import { SOLVER_NAMES } from '../core/inference/manifest.ts';
import type { SynthesizeRequest } from '../core/synthesize.ts';
import { LonLatSchema } from '../handlers/schemas.ts';
import {
  SynthesizeBodySchema,
  type SynthesizeOptions,
  synthesizeOptions,
  toSynthesizeBody,
} from '../handlers/synthesize.ts';
import { fieldErrorsOf } from '../handlers/validate.ts';
import { type Command, type CommandContext, type CommandSpec, parseCommand } from './command.ts';
import { withEngine } from './engine.ts';
import { EXIT, Failure, UsageError } from './failure.ts';
import { readImage, reasonOf } from './images.ts';
import { createRemote } from './remote.ts';
import { checked, numbersOption, required, wordOption } from './values.ts';

const options = {
  to: { type: 'string', value: 'ground|satellite', help: 'the view to make (needed)' },
  out: { type: 'string', value: 'F', help: 'the picture’s file: .webp, .png or .jpg (needed)' },
  location: { type: 'string', value: 'LON,LAT', help: 'to ground: a covered place instead of an image' },
  heading: {
    type: 'string',
    value: 'DEG',
    help: 'to satellite: azimuth of the photo’s middle; to ground: where the picture looks',
  },
  fov: { type: 'string', value: 'DEG', help: 'to satellite: of the photo; to ground: of a perspective picture' },
  'ground-size': {
    type: 'string',
    value: 'M',
    help: 'to ground: metres that the aerial image’s shorter side measures',
  },
  steps: { type: 'string', value: 'N', help: 'steps of the solver, 1 to 100 (default: the model’s own)' },
  solver: { type: 'string', value: 'NAME', help: `one of ${SOLVER_NAMES.join(', ')} (default: the model’s own)` },
  width: { type: 'string', value: 'PX', help: 'width of the picture, 64 to 1024 (default: what the model makes)' },
  url: { type: 'string', value: 'URL', help: 'send to a running server instead (default: GEO2_URL, if set)' },
} as const;

const spec = {
  name: 'synthesize',
  summary: 'Makes the street of an aerial tile, or the aerial tile of a photo.',
  arguments: '[FILE]',
  details: `FILE may be - for the standard input. The picture is what a model imagines, and its file says so (XMP). The closer its
consistency is to 1, the more the model takes both views for one place.`,
  options,
  examples: [
    'geo2 synthesize photo.jpg --to satellite --heading 90 --fov 75 --out above.webp',
    'geo2 synthesize tile.png --to ground --ground-size 70 --out panorama.png',
    'geo2 synthesize --location 0.001,0.002 --to ground --heading 180 --fov 90 --out street.jpg',
  ],
} as const satisfies CommandSpec;

type Body = ReturnType<typeof toSynthesizeBody>;
type Source = SynthesizeRequest['source'];

const FORMATS: Readonly<Record<string, ImageFormat>> = {
  '.webp': 'webp',
  '.png': 'png',
  '.jpg': 'jpeg',
  '.jpeg': 'jpeg',
};
const OPTION_OF: Readonly<Record<string, string>> = {
  '#/headingDeg': '--heading',
  '#/fovDeg': '--fov',
  '#/groundSizeM': '--ground-size',
  '#/steps': '--steps',
  '#/solver': '--solver',
  '#/widthPx': '--width',
};

export const synthesize: Command = {
  spec,
  async run(argv, context) {
    const { values, positionals } = parseCommand(spec, argv);
    const to = wordOption('--to', values.to, ['ground', 'satellite']);
    const out = required('--out', values.out, 'street.webp');
    const format = formatOf(out);
    const [file, ...more] = positionals;
    if ((file === undefined) === (values.location === undefined) || more.length > 0) {
      throw new UsageError(
        'Name one image, or a place: geo2 synthesize FILE --to ground|satellite --out F, or --location LON,LAT',
      );
    }
    if (values.location !== undefined && to === 'satellite') {
      throw new UsageError('--location is for --to ground: a place has imagery from above');
    }
    const texts = {
      direction: to === 'ground' ? 'satellite_to_ground' : 'ground_to_satellite',
      format,
      ...given({
        headingDeg: values.heading,
        fovDeg: values.fov,
        groundSizeM: values['ground-size'],
        steps: values.steps,
        solver: values.solver,
        widthPx: values.width,
      }),
    };
    const asked = optionsOf(texts);
    const source: Source =
      file === undefined
        ? { type: 'location', location: placeOf(values.location ?? '') }
        : { type: 'image', bytes: await readImage(file, context) };
    const url = values.url ?? context.env.GEO2_URL;
    const body =
      url !== undefined && url !== ''
        ? await throughServer(url, { source, texts, asked }, context)
        : await withEngine(context, { needsRegion: source.type === 'location' }, async (engine) =>
            toSynthesizeBody(await engine.synthesize({ ...asked, source, signal: context.signal }), ''),
          );
    await keep(out, body);
    context.stdout.write(values.json === true ? `${JSON.stringify(told(out, body))}\n` : describe(out, body));
    return EXIT.ok;
  },
};

function formatOf(out: string): ImageFormat {
  const format = FORMATS[extname(out).toLowerCase()];
  if (format !== undefined) return format;
  throw new UsageError(`--out must end in .webp, .png or .jpg, not ${JSON.stringify(out)}`);
}

function placeOf(text: string): readonly [number, number] {
  return checked('--location', LonLatSchema, numbersOption('--location', text, ['LON', 'LAT']));
}

/** Read as the API reads its query string, so that both say the same. Throws UsageError. */
function optionsOf(texts: Readonly<Record<string, string>>): SynthesizeOptions {
  try {
    return synthesizeOptions.fromText(texts);
  } catch (error) {
    const problems = fieldErrorsOf(error).map(({ pointer, detail }) => `${OPTION_OF[pointer] ?? pointer} ${detail}`);
    if (problems.length === 0) throw error;
    throw new UsageError(problems.join('; '));
  }
}

function given(texts: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(texts).flatMap(([name, text]): [string, string][] => (text === undefined ? [] : [[name, text]])),
  );
}

async function throughServer(
  url: string,
  { source, texts, asked }: { source: Source; texts: Readonly<Record<string, string>>; asked: SynthesizeOptions },
  { env, signal }: CommandContext,
): Promise<Body> {
  const remote = createRemote({ url, apiKey: env.GEO2_API_KEY, signal });
  const path = '/v1/synthesize';
  if (source.type === 'image')
    return remote.postImage(path, source.bytes, { query: texts, answer: SynthesizeBodySchema });
  const body = { ...asked, location: source.location };
  return remote.send({ method: 'POST', path, body, answer: SynthesizeBodySchema });
}

async function keep(out: string, { image }: Body): Promise<void> {
  await writeFile(out, Buffer.from(image.base64, 'base64')).catch((error: unknown) => {
    throw new Failure('STORE_FAILED', `${out} cannot be written: ${reasonOf(error)}.`, { cause: error });
  });
}

/** All but the picture, which is in its file. */
function told(file: string, { image: { base64: _picture, ...image }, ...body }: Body): object {
  return { file, ...body, image };
}

function describe(out: string, { image, consistency, model, solver, reasons, timingMs }: Body): string {
  const notes = reasons.length === 0 ? '' : `  (${reasons.join(', ')})`;
  const how = `${solver.name}, ${solver.steps} steps, ${Math.round(timingMs.total)} ms`;
  return `${out}: ${image.kind}, ${image.widthPx} x ${image.heightPx} px by ${model.name} ${model.version} (${how}); consistency ${consistency.toFixed(3)}${notes}\n`;
}
