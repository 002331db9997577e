import type { CommandOperation, CommandValue } from './command-table.ts'
import { COMMANDS } from './generated/commands.ts'

const flag = (name: string, description: string): CommandValue => ({ name, type: 'boolean', required: false, description })
const text = (name: string, placeholder: string, description: string): CommandValue => ({ name, type: 'string', required: false, placeholder, description })

const IN_PLACE = flag('inPlace', 'in the place of the package itself; the old one stays until the new one is complete')
const UPLOAD = flag('upload', 'send local files; patterns in quotes are expanded')
const LOG_KEY = text('logKey', 'key', 'public key of the log, NAME+KEYID+BASE64, or a file with it')
const DIGEST = flag('digest', 'send nothing of local files but their digests and what they are')

/** Flags of a command that no operation of the document has: what is done on this side, before or after the call. */
export const OWN_FLAGS: Readonly<Record<string, readonly CommandValue[]>> = {
  sign: [
    UPLOAD,
    DIGEST,
    { name: 'concurrency', type: 'integer', required: false, placeholder: 'number', description: 'how many local files are under way at once; default 4' },
    flag('attach', 'append the Digital Signature Block to the package: as NAME.signed beside it, unless told otherwise'),
    IN_PLACE,
    flag('replace', 'where the package ends in another block, attach in its place'),
    flag('detach', 'write the raw signature as NAME.sig beside the file'),
    text('outputDir', 'directory', 'where --attach and --detach write, under the names NAME and NAME.sig'),
    text('idempotencyKey', 'key', 'name this request, so that the same one again gets the same answer; a new UUID without it'),
  ],
  verify: [
    UPLOAD,
    DIGEST,
    flag('offline', 'with the public key that --key names (PEM): no server, no credentials'),
    text('signature', 'file', 'a signature in a file of its own; without it the block at the end of the package, else the catalogue'),
    { ...text('form', 'form', 'what that file is, where its content does not tell: record, sig, dsb, dsc'), choices: ['record', 'sig', 'dsb', 'dsc'] },
    flag('dsblkchk', 'the exit status of dsblkchk(1): 0 verified, 1 malformed or wrong, 2 no block; 64 usage, 69 no answer'),
  ],
  export: [text('output', 'file', 'write there instead of to stdout')],
  'detach-dsb': [text('output', 'file', 'write the package without its block there'), IN_PLACE],
  resign: [
    text('from', 'file', 'what to sign again: a report that `sign report --out` wrote'),
    text('upload', 'directory', 'where files of this machine lie, to be sent where the server does not have them'),
    { name: 'rate', type: 'integer', required: false, placeholder: 'number', description: 'how many requests to sign begin in a minute; default 600' },
  ],
  report: [text('out', 'file', 'write there, whole or not at all, instead of to stdout')],
  'log audit': [{ ...LOG_KEY, description: 'public key of the log, or a file with it; without it the one that was trusted the first time' }],
  'log verify': [LOG_KEY],
  'log tile': [text('output', 'file', 'write there instead of to stdout')],
}

const FILES: CommandValue = { name: 'file', type: 'string', required: true, description: 'files of this machine; patterns in quotes are expanded' }

/** What a search can ask for; a report is always whole. */
const FILTERS = COMMANDS.flatMap(({ operation, flags }): readonly CommandValue[] => (operation === 'findSignatures' ? flags : [])).filter(({ name }) => name !== 'limit' && name !== 'cursor')

/** Commands that are no operation of the document: those without an operation need no server at all, the others stand on the one they name. */
export const OWN_COMMANDS: readonly CommandOperation[] = [
  { operation: 'findSignatures', word: 'report', summary: 'Report what a key signed', description: 'Writes every signature that fits, the newest first, one a line (NDJSON) with the proof that it stands in the log; the last line says how many there are. Only reads.', arguments: [], flags: FILTERS },
  { operation: 'sign', word: 'resign', summary: 'Sign again what a key signed', description: 'Signs everything in a report once more with another key: the files that the server still has, and those of a directory of this machine. What the key signed already is not signed again, so the same command goes on where a run was interrupted.', arguments: [], flags: [{ name: 'keyid', type: 'string', required: true, description: 'the key to sign with' }] },
  { operation: '', word: 'log verify', summary: 'Verify proofs', description: 'Says what proofs of the log show, with nothing but its public key: files of `sign export --form proof`, and the JSON or NDJSON that `sign`, `sign signatures` and `sign report` print. Needs no server.', arguments: [{ name: 'file', type: 'string', required: true, description: 'files with proofs; patterns in quotes are expanded' }], flags: [] },
  { operation: '', word: 'inspect', summary: 'Say what local files are', description: 'Says what a file of this machine is: format, package, filesets, Digital Signature Block, and the digest of what a signature covers. Needs no server.', arguments: [FILES], flags: [] },
  { operation: '', word: 'detach-dsb', summary: 'Remove a Digital Signature Block', description: 'Removes the Digital Signature Block from the end of a package of this machine. Needs no server.', arguments: [{ ...FILES, description: 'a package that ends in a Digital Signature Block' }], flags: [] },
]

/** What the argument of a command is, where the document knows half of it. */
export const ARGUMENT_HELP: Readonly<Record<string, string>> = {
  sign: 'package file or directory; without it the current directory',
  verify: 'a file on the server; with --upload, --digest, --offline or --dsblkchk files of this machine',
}

/** What a command does, where it does more than its operation. */
export const COMMAND_HELP: Readonly<Record<string, string>> = {
  signatures: 'Shows the signatures that this client may see and that fit everything that is asked for, the newest first, a line each; or one of them, by its id.',
  'log audit':
    'Fetches the whole log and rebuilds its tree; compares it with the signed checkpoint and with the one that was seen the last time, which is kept on this machine; compares every signature that this client may see with its entry; has the server compare its database with what it wrote; and says whether history was rewritten.',
}

/** What a flag of a command is, where the document knows half of it. */
export const FLAG_HELP: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  signatures: { limit: 'at most so many, as one page; without it all there are', keyid: 'made with this key' },
  report: { keyid: 'made with this key' },
  resign: { keyid: 'the key to sign with' },
}

/** The commands whose argument may stand more than once. */
export const VARIADIC: ReadonlySet<string> = new Set(['sign', 'verify', 'inspect', 'log verify'])

/** The commands whose `--output` names a file, and not a form. */
export const OUTPUT_IS_FILE: ReadonlySet<string> = new Set(['export', 'detach-dsb', 'log tile'])
