import type { ClientConfig } from '../config/schema.ts'
import type { Keyring } from '../keys/key.ts'
import type { Meters } from '../policy/meters.ts'
import type { Root } from '../roots/resolve.ts'
import type { ClientLimits, LeftOver, Whoami } from '../schemas/whoami.ts'
import type { Store } from '../store/store.ts'
import { allowedKeys, allowedRoots, type Caller } from './caller.ts'

export type WhoamiDeps = Readonly<{ keyring: Keyring; roots: readonly Root[]; meters: Meters; store: Pick<Store, 'countOf'> }>

/**
 * Returns who the server takes the caller for, what it may do, and what is left of its limits.
 * @throws SigningError `STORE_FAILED`, for a client whose signatures are counted
 */
export async function whoami(deps: WhoamiDeps, caller: Caller): Promise<Whoami> {
  const { client, identity } = caller
  return {
    name: client.name,
    sans: [...identity.sans],
    spkiSha256: identity.spkiSha256,
    notAfter: identity.notAfter.toISOString(),
    allow: [...client.allow],
    keys: allowedKeys(caller, deps.keyring).map(({ keyid }) => keyid),
    roots: allowedRoots(caller, deps.roots).map(({ name }) => name),
    digestOnly: client.digestOnly,
    resign: client.resign,
    sees: client.sees,
    limits: limitsOf(client),
    left: await leftOver(deps, client),
  }
}

function limitsOf({ formats, filesets, maxFileBytes, notBefore, notAfter, rate, concurrency, maxSignatures }: ClientConfig): ClientLimits {
  return known({ formats: copied(formats), filesets: copied(filesets), maxFileBytes, notBefore, notAfter, ...rate, concurrency, maxSignatures })
}

async function leftOver({ meters, store }: WhoamiDeps, client: ClientConfig): Promise<LeftOver> {
  const { name, maxSignatures } = client
  const standings = meters.standing(client)
  const resetMs = standings.flatMap((standing) => standing.resetMs ?? [])
  return known({
    ...Object.fromEntries(standings.map(({ limit, left }) => [limit, left])),
    resetSeconds: resetMs.length === 0 ? undefined : Math.ceil(Math.max(...resetMs) / 1000),
    signatures: maxSignatures === undefined ? undefined : maxSignatures - (await store.countOf(name, maxSignatures)),
  })
}

function copied<T>(list: readonly T[] | undefined): T[] | undefined {
  return list === undefined ? undefined : [...list]
}

/** The members that are there. */
function known<T extends object>(members: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> }
}
