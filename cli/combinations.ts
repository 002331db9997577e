import type { Invocation } from './invocation.ts'
import type { Io } from './terminal.ts'
import { UsageError } from './usage-error.ts'

/** A rule of flags that do not go together, or not without each other: what it says when it is broken. */
type Rule = Readonly<{ broken: boolean; says: string }>

/**
 * Refuses flags that contradict each other, before anything is read or sent.
 * @throws UsageError with everything that is wrong
 */
export function checkCombination({ operation: { word }, own, members, files, settings }: Invocation): void {
  const broken = (RULES[word]?.({ own, members, files, settings }) ?? []).filter((rule) => rule.broken).map(({ says }) => says)
  if (broken.length > 0) throw new UsageError(broken)
}

/** Several files are several requests, and one key names one. */
export const SEVERAL_REQUESTS = '--idempotency-key goes with one file: each file is a request of its own'

const IDEMPOTENCY_KEY = /^[!#-[\]-~]{1,255}$/

type Facts = Pick<Invocation, 'own' | 'members' | 'files' | 'settings'>

const RULES: Readonly<Record<string, (facts: Facts) => readonly Rule[]>> = { sign: signRules, verify: verifyRules, 'detach-dsb': detachRules, report: reportRules, resign: resignRules, 'log verify': proofRules }

function signRules({ own, members, files }: Facts): readonly Rule[] {
  const local = own['upload'] === true || own['digest'] === true
  const keeps = own['attach'] === true || own['detach'] === true
  return [
    { broken: own['upload'] === true && own['digest'] === true, says: '--upload and --digest exclude each other' },
    { broken: local && files.length === 0, says: '--upload and --digest want files' },
    { broken: !local && files.length > 1, says: 'too many arguments: one path on the server; --upload and --digest take several files' },
    { broken: local && members['recursive'] === true, says: '--recursive goes with a path on the server' },
    { broken: !local && own['concurrency'] !== undefined, says: '--concurrency goes with --upload or --digest' },
    { broken: own['concurrency'] === 0, says: '--concurrency: expected 1 or more' },
    { broken: own['inPlace'] === true && own['attach'] !== true, says: '--in-place goes with --attach' },
    { broken: own['replace'] === true && own['attach'] !== true, says: '--replace goes with --attach' },
    { broken: own['outputDir'] !== undefined && !keeps, says: '--output-dir goes with --attach or --detach' },
    { broken: own['outputDir'] !== undefined && own['inPlace'] === true, says: '--in-place and --output-dir exclude each other' },
    { broken: own['idempotencyKey'] !== undefined && !IDEMPOTENCY_KEY.test(String(own['idempotencyKey'])), says: '--idempotency-key: expected 1 to 255 visible ASCII characters without quotes and backslashes, such as a UUID' },
    { broken: own['idempotencyKey'] !== undefined && local && files.length > 1, says: SEVERAL_REQUESTS },
  ]
}

function verifyRules({ own, files, settings }: Facts): readonly Rule[] {
  const modes = ['upload', 'digest', 'offline'].filter((mode) => own[mode] === true)
  const check = own['dsblkchk'] === true
  return [
    { broken: modes.length > 1, says: '--upload, --digest and --offline exclude each other' },
    { broken: modes.length === 0 && files.length > 1, says: 'too many arguments: one path on the server; --upload, --digest and --offline take several files' },
    { broken: own['signature'] !== undefined && files.length > 1, says: '--signature goes with one file' },
    { broken: own['form'] !== undefined && own['signature'] === undefined, says: '--form goes with --signature' },
    { broken: own['offline'] === true && settings['key'] === undefined, says: '--offline wants the public key: --key FILE' },
    { broken: check && files.length > 1, says: '--dsblkchk goes with one file' },
    { broken: check && (own['signature'] !== undefined || own['upload'] === true), says: '--dsblkchk looks at the block in the file alone: without --signature and --upload' },
  ]
}

function detachRules({ own }: Facts): readonly Rule[] {
  const ways = [own['output'] !== undefined, own['inPlace'] === true].filter(Boolean)
  return [{ broken: ways.length !== 1, says: 'say where: --output FILE or --in-place' }]
}

function reportRules({ settings }: Facts): readonly Rule[] {
  return [{ broken: settings['output'] !== undefined && settings['output'] !== 'ndjson', says: 'a report is always NDJSON: leave --output out; --out FILE says where it goes' }]
}

function resignRules({ own }: Facts): readonly Rule[] {
  return [
    { broken: own['from'] === undefined, says: 'say what: --from FILE, a report that `sign report --out` wrote' },
    { broken: own['rate'] === 0, says: '--rate: expected 1 or more' },
  ]
}

function proofRules({ own }: Facts): readonly Rule[] {
  return [{ broken: own['logKey'] === undefined, says: 'say the public key of the log: --log-key KEY or FILE; `sign log key` prints it' }]
}

const BINARY: ReadonlySet<unknown> = new Set(['sig', 'dsb'])

/**
 * Refuses bytes that would go to a terminal, and forms of an answer that a file does not have, before anything is asked.
 * @throws UsageError
 */
export function checkExport({ operation, members, own, settings }: Invocation, { stdout }: Pick<Io, 'stdout'>): void {
  if (operation.operation === 'exportSignature' && BINARY.has(members['form']) && own['output'] === undefined && stdout.isTTY === true) {
    throw new UsageError([`the form ${String(members['form'])} is binary and no text for a terminal`], ['write it to a file with --output, or into a pipe'])
  }
  if (operation.operation === 'exportKey' && settings['output'] !== undefined) throw new UsageError(['--output does not go with --form: what comes is a file, as it is'])
}
