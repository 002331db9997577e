import type { SignatureRecord } from '../../formats/index.ts'
import { SigningError } from '../errors.ts'
import type { InstallpInfo } from '../packages/package-info.ts'

/** How many wrong or missing records the log is told about. */
const FACTS_MAX = 5

/**
 * Returns `records` in the order of `lpp_name`, when they are the records of exactly this package under exactly this key: every
 * fileset level once, none missing, none more, each with the package, ftype and keyid that are expected. Whatever the signer is,
 * nothing it answers is believed before this and before each signature is verified; records of one file may carry different signatures.
 * @throws SigningError `SIGNER_RECORD_MISMATCH` for a record of something else, a missing or an additional one;
 * `SIGNER_RECORD_MALFORMED` for two records of the same fileset level
 */
export function checkRecords(records: readonly SignatureRecord[], info: InstallpInfo, keyid: string): readonly SignatureRecord[] {
  const byLevel = new Map(records.map((record) => [levelOf(record), record]))
  if (byLevel.size !== records.length) {
    throw new SigningError('SIGNER_RECORD_MALFORMED', 'the signer made two records for the same fileset', { records: records.length })
  }
  const foreign = records.filter((record) => record.package !== info.package || record.ftype !== info.ftype || record.keyid !== keyid)
  if (foreign.length > 0) {
    throw mismatch('the signer made a record for another package, type or key', { expected: { package: info.package, ftype: info.ftype, keyid }, found: foreign.map(nameOf) })
  }
  const ordered = info.filesets.map((level) => byLevel.get(levelOf(level)))
  const missing = info.filesets.filter((level) => !byLevel.has(levelOf(level)))
  if (missing.length > 0) throw mismatch('the signer made no record for a fileset of the package', { missing, found: records.map(nameOf) })
  if (records.length !== info.filesets.length) {
    const expected = new Set(info.filesets.map(levelOf))
    const additional = records.filter((record) => !expected.has(levelOf(record)))
    throw mismatch('the signer made a record for a fileset that the package does not have', { additional: additional.map(nameOf) })
  }
  return ordered as SignatureRecord[]
}

// A package may hold one fileset at two levels, so the level is part of what a record is about. Neither part can contain a colon.
function levelOf({ fileset, vrmf }: Readonly<{ fileset: string; vrmf: string }>): string {
  return `${fileset}:${vrmf}`
}

function nameOf({ package: name, fileset, vrmf, ftype, keyid }: SignatureRecord): string {
  return [name, fileset, vrmf, ftype, keyid].join(':')
}

function mismatch(message: string, facts: Readonly<Record<string, unknown>>): SigningError {
  const bounded = Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, Array.isArray(value) ? value.slice(0, FACTS_MAX) : value]))
  return new SigningError('SIGNER_RECORD_MISMATCH', message, bounded)
}
