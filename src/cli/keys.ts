import { randomBytes } from 'node:crypto';
import { readConfig } from '../config.ts';
import type { Scope } from '../core/accounts/caller.ts';
import { createKeys } from '../core/accounts/keys.ts';
import { Geo2Error } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import { createDatabase } from '../database.ts';
import {
  type CreatedKeyBody,
  CreatedKeySchema,
  type KeyBody,
  KeySchema,
  KeysSchema,
  type NewKeyBody,
  toKeyBody,
} from '../handlers/keys.ts';
import type { CommandContext } from './command.ts';
import { Failure } from './failure.ts';
import { createRemote } from './remote.ts';

/** The keys of a service, on its database or through its API. */
export interface KeyRing {
  create(key: KeyToMake): Promise<CreatedKeyBody>;
  list(tenant: string | undefined): Promise<KeyBody[]>;
  /** Throws Failure when there is no such key. */
  revoke(id: string): Promise<KeyBody>;
}

type KeyToMake = Omit<NewKeyBody, 'tenant' | 'scopes'> & { tenant: string; scopes: Scope[] };

export const URL_OPTION = {
  url: {
    type: 'string',
    value: 'URL',
    help: 'ask a running server instead (default: GEO2_URL, if set), with a key\nof the scope admin in GEO2_API_KEY where it needs one',
  },
} as const;

export const DATABASE_DETAILS = `Works on the database that GEO2_DATABASE_URL or GEO2_DATA_DIR names. An embedded database belongs to the server that
runs on it: then say --url.`;

/** Opens the keys, gives them to `work`, and closes what was opened. Throws Failure when a running server holds the database. */
export async function withKeys<T>(
  context: Pick<CommandContext, 'env' | 'signal'>,
  { url = context.env.GEO2_URL }: { url?: string | undefined },
  work: (keys: KeyRing) => Promise<T>,
): Promise<T> {
  const { env, signal } = context;
  if (url !== undefined && url !== '')
    return work(throughServer(createRemote({ url, apiKey: env.GEO2_API_KEY, signal })));
  const database = createDatabase(readConfig(env));
  try {
    await database.start().catch(explainHeld);
    return await work(onDatabase(createKeys({ database, now: () => new Date(), newId, randomBytes })));
  } finally {
    await database.stop();
  }
}

function onDatabase(keys: ReturnType<typeof createKeys>): KeyRing {
  return {
    async create({ expiresAt, ...asked }) {
      const { key, text } = await keys.create({
        ...asked,
        expiresAt: expiresAt === undefined ? undefined : new Date(expiresAt),
      });
      return { ...toKeyBody(key), key: text };
    },
    async list(tenant) {
      return (await keys.list(tenant)).map(toKeyBody);
    },
    async revoke(id) {
      const key = await keys.revoke(id);
      if (key === undefined) throw new Failure('NOT_FOUND', `There is no key ${id}. See: geo2 keys list`);
      return toKeyBody(key);
    },
  };
}

function throughServer(remote: ReturnType<typeof createRemote>): KeyRing {
  return {
    create: (key) => remote.send({ method: 'POST', path: '/v1/keys', body: key, answer: CreatedKeySchema }),
    async list(tenant) {
      return (await remote.send({ method: 'GET', path: '/v1/keys', query: { tenant }, answer: KeysSchema })).keys;
    },
    revoke: (id) => remote.send({ method: 'DELETE', path: `/v1/keys/${encodeURIComponent(id)}`, answer: KeySchema }),
  };
}

/** The folder's lock says who has it; what to do about it is this command's to say. */
function explainHeld(error: unknown): never {
  if (!(error instanceof Geo2Error) || typeof error.data.dataDir !== 'string') throw error;
  throw new Failure(
    'DATABASE_IN_USE',
    `${error.message} A running server has it open: ask that one, with --url http://127.0.0.1:8080 (and GEO2_API_KEY, a key of the scope admin, where it needs one).`,
    { cause: error },
  );
}
