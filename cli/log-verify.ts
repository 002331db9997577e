import type { LogEntry } from '../sdk/index.ts'
import { EXIT, type ExitStatus } from './exit-status.ts'
import { hintLine } from './explain.ts'
import type { Invocation } from './invocation.ts'
import { expandFiles } from './local-files.ts'
import { readLogKeyFlag } from './log-key.ts'
import { jsonDocument, jsonLine } from './output.ts'
import { printable } from './printable.ts'
import { proofsOf, type FileProof } from './proof-files.ts'
import type { Bench } from './session.ts'

/**
 * Says, offline, what every proof in local files shows, a line each. Returns `notSigned` when one shows nothing, or a file cannot be read or
 * has none.
 * @throws UsageError for a key that is none, or a pattern that matches nothing
 */
export async function logVerifyCommand(bench: Bench, { files: names, own }: Invocation): Promise<ExitStatus> {
  const { settings: { output }, terminal, io } = bench
  const logKey = await readLogKeyFlag(io, String(own['logKey']))
  const files = await expandFiles(names, io.cwd)
  const proofs: object[] = []
  const count = { all: 0, proven: 0 }
  for (const file of files) {
    for await (const proof of proofsOf(bench, file, logKey)) {
      count.all += 1
      if ('code' in proof) {
        terminal.line(`${file.name}: ${proof.code} ${proof.detail}`)
        terminal.line(hintLine(proof))
        continue
      }
      if (proof.proven.valid) count.proven += 1
      const shown = { file: file.name, name: proof.name, ...proof.proven }
      if (output === 'text') await terminal.out(`${printable(proofLine(proof))}\n`)
      else if (output === 'ndjson') await terminal.out(jsonLine(shown))
      else proofs.push(shown)
    }
  }
  if (output === 'json') await terminal.out(jsonDocument({ proofs }))
  if (count.all > 1) terminal.note(`proven ${count.proven} of ${count.all}`)
  return count.proven === count.all ? EXIT.done : EXIT.notSigned
}

function proofLine({ name, proven }: FileProof): string {
  if (!proven.valid) return `${name}: not proven ${proven.reason} ${proven.detail}`
  const { entry, index, treeSize, origin } = proven
  return `${name}: proven ${factOf(entry)}, entry ${index} of ${treeSize} in ${origin}`
}

/** What an entry says, for a person. */
function factOf(entry: LogEntry): string {
  switch (entry.kind) {
    case 'signature':
      return `signed ${entry.at} for ${entry.client} with key ${entry.keyid}, ${entry.filename}, sha256 ${entry.sha256}${entry.replaces === undefined ? '' : `, in place of ${entry.replaces}`}`
    case 'refusal':
      return `refused ${entry.at} ${entry.operation} of ${entry.client ?? `spki ${entry.spki}`}, ${entry.code}`
    case 'failure':
      return `failed ${entry.at} signing for ${entry.client}, ${entry.code}`
    case 'key':
      return `key ${entry.keyid} ${entry.change} ${entry.at}, spki sha256 ${entry.spkiSha256}`
    case 'configuration':
      return `configuration of ${entry.at}, sha256 ${entry.sha256}`
    case 'start':
      return `start of version ${entry.version} ${entry.at}`
    case 'stop':
      return `stop ${entry.at}`
  }
}
