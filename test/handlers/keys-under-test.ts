import type { NewKey } from '#core/accounts/keys.ts';
import type { Database } from '#core/database/database.ts';
import type { AppDeps } from '../../src/app.ts';
import { type AppUnderTest, accessOf, appUnderTest } from '../app-under-test.ts';

export interface KeyedApp extends AppUnderTest {
  /** A new key of the tenant with these scopes; its text. */
  readonly keyOf: (tenant: string, key?: Partial<NewKey>) => Promise<string>;
  readonly access: AppDeps['access'];
}

/** The app on a database, where every request needs a key unless `access` says otherwise. */
export async function keyedApp(
  database: Database,
  access: Partial<AppDeps['access']> = {},
  overrides: Partial<AppDeps> = {},
): Promise<KeyedApp> {
  const own = accessOf(database, { withoutKey: 'required', ...access });
  const app = await appUnderTest({ access: own, ...overrides });
  return {
    ...app,
    access: own,
    async keyOf(tenant, key = {}) {
      const { text } = await own.keys.create({ tenant, name: 'test', scopes: ['geolocate', 'regions:read'], ...key });
      return text;
    },
  };
}

export const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` });

/** A photo to post, with these headers. */
export function photo(headers: Record<string, string> = {}): RequestInit {
  return { method: 'POST', body: new Uint8Array([1, 2, 3]), headers: { 'content-type': 'image/jpeg', ...headers } };
}
