import type { Kysely } from 'kysely'
import { FormatError, formatProof, inclusionNodes, inclusionProof, tileInTree, type TilePosition } from '../../formats/index.ts'
import { peekAnswer, readItems } from './answers.ts'
import { auditTables } from './audit.ts'
import type { Database, Looked } from './database.ts'
import { countSignatures, obstacleOf, readPast, type Obstacle } from './guard.ts'
import { checkpointOf, rangeOf, readHead } from './head.ts'
import { searchSignatures } from './search.ts'
import { isOfFile, readSignatures, readSignaturesById } from './signatures.ts'
import type { Catalogued, Recipient, SignedFile } from './store.ts'
import type { SignatureRow, StoreTables } from './tables.ts'
import { readBundle, readNodes, readTile } from './tiles.ts'
import { writeAll, type Write, type WriteDeps } from './transaction.ts'

/** More signatures over the same bytes than anybody looks at. */
const FOUND_MAX = 100
const PATHS_PER_SELECT = 500

/** Returns the database over an engine, in the thread that calls it. Closing it closes the engine. */
export function createLocalDatabase(deps: WriteDeps): Database {
  const { engine, identity, sealKey } = deps
  const { db } = engine
  const signaturesOf = async (rows: readonly SignatureRow[]): Promise<Catalogued[]> => await readSignatures(db, rows, identity)
  return {
    write: async (writes) => await settle(deps, writes, await writeAll(deps, writes)),
    lookUp: async (subjects) => {
      const past = await readPast(db, subjects)
      return await look(deps, subjects.map((subject) => ({ obstacle: obstacleOf(subject, past), recipient: subject.recipient })))
    },
    countOf: async (client, most) => await countSignatures(db, client, most),
    get: async (id) => (await signaturesOf(await db.selectFrom('signatures').selectAll().where('id', '=', id).execute()))[0],
    wasHandedTo: async (id, client) => (await db.selectFrom('handed').select('client').where('signature_id', '=', id).where('client', '=', client).executeTakeFirst()) !== undefined,
    findByDigest: async (sha256) =>
      await signaturesOf(await db.selectFrom('signatures').selectAll().where('sha256', '=', sha256).orderBy('signed_at', 'desc').orderBy('leaf_index', 'desc').limit(FOUND_MAX).execute()),
    find: async (search) => await signaturesOf(await searchSignatures(db, search)),
    signedAmong: async (root, files) => await signedAmong(db, root, files),
    checkpoint: async () => checkpointOf(rangeOf(await readHead(db)), identity),
    tile: async (position) => ((await isInLog(db, position)) ? await readTile(db, position) : undefined),
    entries: async (position) => ((await isInLog(db, { level: 0, ...position })) ? await readBundle(db, position) : undefined),
    proof: async (id) => await proofOf(deps, id),
    audit: async () => await engine.snapshot(async (snapshot) => await auditTables(snapshot, { identity, sealKey })),
    peek: async (asked) => await peekAnswer(db, asked, await engine.now()),
    items: async (asked, from) => await readItems(db, { asked, from }, identity),
    probe: async () => await probe(deps),
    // FormatError: an entry that the log cannot have. TypeError: a value that no column can.
    isWriteFault: (cause) => cause instanceof FormatError || cause instanceof TypeError || engine.isRowFault(cause),
    close: async () => await engine.close(),
  }
}

/** Puts the signature that exists in the place of what stood in the way of a recording. */
async function settle(deps: WriteDeps, writes: readonly Write[], results: readonly unknown[]): Promise<unknown[]> {
  const settled = [...results]
  const obstacles = writes.flatMap((write, at) => (write.kind === 'record' ? [{ at, obstacle: results[at] as Obstacle | Readonly<{ kind: 'recorded' }>, recipient: write.recording.subject.recipient }] : []))
    .flatMap(({ at, obstacle, recipient }) => (obstacle.kind === 'recorded' ? [] : [{ at, obstacle, recipient }]))
  const looked = await look(deps, obstacles)
  for (const [position, { at }] of obstacles.entries()) settled[at] = looked[position]
  return settled
}

type Asking = Readonly<{ obstacle: Obstacle | undefined; recipient: Recipient }>

async function look({ engine: { db }, identity }: WriteDeps, asking: readonly Asking[]): Promise<(Looked | undefined)[]> {
  const found = await readSignaturesById(db, asking.flatMap(({ obstacle }) => (obstacle?.kind === 'signed' ? [obstacle.id] : [])), identity)
  return await Promise.all(asking.map(async ({ obstacle, recipient }): Promise<Looked | undefined> => {
    if (obstacle?.kind !== 'signed') return obstacle
    const { signature, client } = found.get(obstacle.id) as Catalogued
    return { kind: 'signed', signature: { ...signature, replayed: true }, client, unhanded: !(await isHanded(db, { id: signature.id, client }, recipient)) }
  }))
}

/** Whether the recipient may see the signature already, and the listing of its file shows it. */
async function isHanded(db: Kysely<StoreTables>, { id, client }: Readonly<{ id: string; client: string }>, { client: recipient, file }: Recipient): Promise<boolean> {
  if (client !== recipient && (await db.selectFrom('handed').select('client').where('signature_id', '=', id).where('client', '=', recipient).executeTakeFirst()) === undefined) return false
  if (file === undefined) return true
  const row = await db.selectFrom('latest_signatures').selectAll().where('root', '=', file.root).where('relative_path', '=', file.relativePath).executeTakeFirst()
  return isOfFile(row, file) && row.signature_id === id
}

async function signedAmong(db: Kysely<StoreTables>, root: string, files: readonly Omit<SignedFile, 'root'>[]): Promise<ReadonlySet<string>> {
  const signed = new Set<string>()
  for (let at = 0; at < files.length; at += PATHS_PER_SELECT) {
    const group = files.slice(at, at + PATHS_PER_SELECT)
    const rows = await db.selectFrom('latest_signatures').selectAll().where('root', '=', root).where('relative_path', 'in', group.map(({ relativePath }) => relativePath)).execute()
    const latest = new Map(rows.map((row) => [row.relative_path, row]))
    for (const file of group) if (isOfFile(latest.get(file.relativePath), file)) signed.add(file.relativePath)
  }
  return signed
}

/** Whether the log is long enough for a tile, or a bundle (level 0), of this width. */
async function isInLog(db: Kysely<StoreTables>, { level, index, width }: TilePosition): Promise<boolean> {
  const there = tileInTree((await readHead(db)).size, level, index)
  return there !== undefined && there.width >= width
}

async function proofOf({ engine: { db }, identity }: WriteDeps, id: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('signatures')
    .innerJoin('log_leaves', 'log_leaves.leaf_index', 'signatures.leaf_index')
    .select(['log_leaves.leaf_index', 'log_leaves.entry'])
    .where('signatures.id', '=', id)
    .executeTakeFirst()
  if (row === undefined) return undefined
  const range = rangeOf(await readHead(db))
  const position = { index: row.leaf_index, size: range.size }
  const read = await readNodes(db, range.size, inclusionNodes(position))
  return formatProof({ extra: Buffer.from(row.entry), index: row.leaf_index, path: inclusionProof(position, read), checkpoint: checkpointOf(range, identity) })
}

const UNDONE = new Error('a probe leaves nothing behind')

/** Writes a row and takes it back: finds a database that is read-only, locked, damaged or gone. A full disk shows only when a commit needs new room. */
async function probe({ engine }: WriteDeps): Promise<void> {
  const undone = engine.write(async (transaction) => {
    await transaction.insertInto('signatures').values(PROBE).execute()
    throw UNDONE
  }, 'volatile')
  await undone.catch((error: unknown) => {
    if (error !== UNDONE) throw error
  })
}

/** Never committed. Its id is no UUID and its leaf no leaf, so it can meet no signature. */
const PROBE: SignatureRow = {
  id: 'probe', signed_at: '', client: '', spki_sha256: '', root: '', relative_path: '', filename: '', size_bytes: 0, modified_at_ms: 0, sha256: '', keyid: '', algorithm: 'rsa-2048-sha256', covers: 'file',
  signature: '', format: 'installp', source: 'path', leaf_index: -1, receipt_size: -1, artefact: 'probe', forced: 0,
}
