import { runServer } from '../main.ts';
import { type Command, type CommandSpec, parseCommand } from './command.ts';
import { UsageError } from './failure.ts';

const options = {
  port: { type: 'string', value: 'PORT', help: 'port to listen on, 0 for any free one (default: PORT, else 8080)' },
  host: { type: 'string', value: 'HOST', help: 'address to listen on (default: HOST, else 127.0.0.1)' },
} as const;

const spec = {
  name: 'serve',
  summary: 'Serves the API and the page until it is stopped (Ctrl-C or SIGTERM: requests in flight are finished).',
  arguments: '',
  details: `The environment decides the rest: GEO2_STORE (file:///folder of regions), GEO2_REGIONS (ids or *), GEO2_MODEL_DIR,
GEO2_THREADS, GEO2_DEVICE (cpu, cuda), GEO2_LOG_LEVEL, ...; a wrong value is told with what it should be. The log is JSON
lines on the standard output. With --json the line that says where it listens is JSON too, without it a sentence on stderr.`,
  options,
  examples: ['geo2 serve', 'GEO2_STORE=file:///srv/geo2 geo2 serve --host 0.0.0.0 --port 80'],
} as const satisfies CommandSpec;

export const serve: Command = {
  spec,
  async run(argv, { env, stdout, stderr }) {
    const { values, positionals } = parseCommand(spec, argv);
    if (positionals.length > 0) throw new UsageError(`geo2 serve takes no ${JSON.stringify(positionals[0])}`);
    if (values.port !== undefined && !(/^\d{1,5}$/.test(values.port) && Number(values.port) <= 65_535)) {
      throw new UsageError(`--port must be a whole number from 0 to 65535, not ${JSON.stringify(values.port)}`);
    }
    const asked = {
      ...(values.port === undefined ? {} : { PORT: values.port }),
      ...(values.host === undefined ? {} : { HOST: values.host }),
    };
    return runServer(
      { ...env, ...asked },
      {
        onReady({ url, engine }) {
          const regions = engine.regions.list().map(({ id }) => id);
          if (values.json === true) stdout.write(`${JSON.stringify({ url, regions })}\n`);
          else
            stderr.write(`geo2: ready: ${url}/ (page), ${url}/docs (API); regions: ${regions.join(', ') || 'none'}\n`);
        },
      },
    );
  },
};
