import type { ExpressionBuilder, Kysely } from 'kysely'
import type { Search } from './store.ts'
import type { SignatureRow, StoreTables } from './tables.ts'

type Signatures = ExpressionBuilder<StoreTables, 'signatures'>

/**
 * Returns the rows of the newest signatures that fit, in the order of the log from its end. Each query walks an index that has this order as
 * far as it can: who reads page after page must not have everything sorted for each.
 */
export async function searchSignatures(db: Kysely<StoreTables>, { visibleTo, ...search }: Search): Promise<SignatureRow[]> {
  if (visibleTo === undefined) return await newest(db, search).execute()
  const own = await newest(db, search).where('client', '=', visibleTo).execute()
  // One query for both would sort all that the client ever had.
  const handed = await newest(db, search)
    .where('client', '<>', visibleTo)
    .where('id', 'in', db.selectFrom('handed').select('signature_id').where('client', '=', visibleTo))
    .execute()
  return [...own, ...handed].toSorted((a, b) => b.leaf_index - a.leaf_index).slice(0, search.limit)
}

function newest(db: Kysely<StoreTables>, search: Omit<Search, 'visibleTo'>) {
  return db
    .selectFrom('signatures')
    .selectAll()
    .where((eb) => eb.and([...ownFilters(eb, search), ...recordFilters(eb, search)]))
    .orderBy('leaf_index', 'desc')
    .limit(search.limit)
}

function ownFilters(eb: Signatures, { sha256, keyid, client, format, since, until, before }: Search) {
  return [
    ...(sha256 === undefined ? [] : [eb('sha256', '=', sha256)]),
    ...(keyid === undefined ? [] : [eb('keyid', '=', keyid)]),
    ...(client === undefined ? [] : [eb('client', '=', client)]),
    ...(format === undefined ? [] : [eb('format', '=', format)]),
    ...(since === undefined ? [] : [eb('signed_at', '>=', since)]),
    ...(until === undefined ? [] : [eb('signed_at', '<', until)]),
    ...(before === undefined ? [] : [eb('leaf_index', '<', before)]),
  ]
}

function recordFilters(eb: Signatures, { package: name, fileset, vrmf, form }: Search) {
  const records = eb.selectFrom('signature_records').select('signature_id')
  const named = records
    .$if(name !== undefined, (query) => query.where('package', '=', name as string))
    .$if(fileset !== undefined, (query) => query.where('fileset', '=', fileset as string))
    .$if(vrmf !== undefined, (query) => query.where('vrmf', '=', vrmf as string))
  // A package and a fileset have an index and few signatures; a level alone has neither, so each signature is asked.
  const ofRecord = name === undefined && fileset === undefined ? eb.exists(named.whereRef('signature_records.signature_id', '=', 'signatures.id')) : eb('id', 'in', named)
  return [
    ...(name === undefined && fileset === undefined && vrmf === undefined ? [] : [ofRecord]),
    ...(form === undefined ? [] : [form === 'record' ? hasRecords(eb) : eb.not(hasRecords(eb))]),
  ]
}

function hasRecords(eb: Signatures) {
  return eb.exists(eb.selectFrom('signature_records').select('signature_id').whereRef('signature_records.signature_id', '=', 'signatures.id'))
}
