import { hash } from 'node:crypto'
import { openDatabase } from '../../server/store/open-database.ts'
import type { DatabaseThreadData } from '../../server/store/thread-protocol.ts'
import type { Level, Subject, Unrecorded } from '../../server/store/store.ts'
import type { Write } from '../../server/store/transaction.ts'

/** Something that was signed, as the operations give it to the store. */
export type Signed = Readonly<{ subject: Subject; signature: Unrecorded }>

/** How many levels a package has, each signed once; how many clients and keys there are. */
const [LEVELS, CLIENTS, KEYS] = [10, 10, 3]
/** Enough that a commit costs next to nothing beside its rows, few enough for flat memory. */
const FILL_GROUP = 4_000
const BEGAN_MS = Date.UTC(2026, 0, 1)

/** Returns the signature number `index` of a catalogue, other content for every number: a package of one fileset that lay in a root. */
export function signedNumber(index: number): Signed {
  const sha256 = hash('sha256', `content ${index}`)
  const name = packageNumber(index)
  const level: Level = { package: name, fileset: `${name}.rte`, vrmf: `1.0.${index % LEVELS}.0`, ftype: 'I' }
  const filename = `${name}.${level.vrmf}.bff`
  const keyid = String(1001 + (index % KEYS))
  const signature = Buffer.alloc(256, sha256, 'hex').toString('base64')
  const recipient = { client: clientNumber(index), spkiSha256: hash('sha256', clientNumber(index)), file: { root: 'packages', relativePath: `ppc/${filename}`, sizeBytes: 102_400, modifiedAtMs: BEGAN_MS } }
  return {
    subject: { artefact: hash('sha256', `artefact ${index}`), sha256, levels: [level], force: false, resign: false, recipient },
    signature: {
      id: idNumber(index), filename, format: 'installp', source: 'path', sha256, sizeBytes: 102_400, keyid, algorithm: 'rsa-2048-sha256', covers: 'file', signature,
      signedAt: new Date(BEGAN_MS + index).toISOString(), records: [{ keyid, ...level, timestamp: '1375425475', signature }],
    },
  }
}

/** The id of a signature: a UUID of version 7, as the server makes them, of the time at which it was signed. */
export function idNumber(index: number): string {
  const time = (BEGAN_MS + index).toString(16).padStart(12, '0')
  const random = hash('sha256', `id ${index}`)
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-a${random.slice(3, 6)}-${random.slice(6, 18)}`
}

/** The package of a signature, and the client that it was made for. */
export function packageNumber(index: number): string {
  return `Pkg${Math.floor(index / LEVELS)}`
}

export function clientNumber(index: number): string {
  return `client-${index % CLIENTS}`
}

/**
 * Records the signatures from number `from` up to number `to` (not included) by the write path of the store, so that rows, log and seal are
 * those that a server leaves; many in one commit, and in this thread, as no server does. Returns how long it took, in milliseconds.
 */
export async function fillCatalogue(location: DatabaseThreadData, { from, to }: Readonly<{ from: number; to: number }>): Promise<number> {
  const database = await openDatabase(location)
  const began = performance.now()
  try {
    for (let at = from; at < to; at += FILL_GROUP) {
      const writes = Array.from({ length: Math.min(FILL_GROUP, to - at) }, (_, place): Write => ({ kind: 'record', recording: signedNumber(at + place) }))
      const results = (await database.write(writes)) as readonly Readonly<{ kind: string }>[]
      if (results.some(({ kind }) => kind !== 'recorded')) throw new Error('a signature of the catalogue was not recorded')
    }
    return performance.now() - began
  } finally {
    await database.close()
  }
}
