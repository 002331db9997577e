import type { ExpressionBuilder, Kysely } from 'kysely'
import type { Search } from './store.ts'
import type { SignatureRow, StoreTables } from './tables.ts'

type Signatures = ExpressionBuilder<StoreTables, 'signatures'>

/** Returns the rows of the newest signatures that fit, in the order of the log from its end. */
export async function searchSignatures(db: Kysely<StoreTables>, search: Search): Promise<SignatureRow[]> {
  return await db
    .selectFrom('signatures')
    .selectAll()
    .where((eb) => eb.and([...ownFilters(eb, search), ...recordFilters(eb, search), ...visibility(eb, search)]))
    .orderBy('leaf_index', 'desc')
    .limit(search.limit)
    .execute()
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
  const matching = records
    .$if(name !== undefined, (query) => query.where('package', '=', name as string))
    .$if(fileset !== undefined, (query) => query.where('fileset', '=', fileset as string))
    .$if(vrmf !== undefined, (query) => query.where('vrmf', '=', vrmf as string))
  return [
    ...(name === undefined && fileset === undefined && vrmf === undefined ? [] : [eb('id', 'in', matching)]),
    ...(form === undefined ? [] : [form === 'record' ? hasRecords(eb) : eb.not(hasRecords(eb))]),
  ]
}

function hasRecords(eb: Signatures) {
  return eb.exists(eb.selectFrom('signature_records').select('signature_id').whereRef('signature_records.signature_id', '=', 'signatures.id'))
}

function visibility(eb: Signatures, { visibleTo }: Search) {
  if (visibleTo === undefined) return []
  return [eb.or([eb('client', '=', visibleTo), eb('id', 'in', eb.selectFrom('handed').select('signature_id').where('client', '=', visibleTo))])]
}
