/** Each command with what it does, by word; the main command has its examples in program.ts. */
const EXAMPLES: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  files: [['sign files', 'the directories that this client may use'], ['sign files /export/nim/lpp_source', 'what is in one of them, and what of it is signed']],
  verify: [
    ['sign verify /export/nim/lpp_source/PkgA.bff', 'a file on the server'],
    ['sign verify --upload PkgA.bff', 'a file of this machine, sent'],
    ['sign verify --offline --key pub.pem PkgA.bff', 'with nothing but the public key'],
  ],
  signatures: [
    ['sign signatures', 'all that this client may see, the newest first'],
    ['sign signatures --package PkgA --vrmf 1.0.0.0', 'of one level of a package'],
    ['sign signatures --keyid 1001 --since 2026-11-01T00:00:00Z --output ndjson', 'of a key, as a program reads it'],
    ['sign signatures --limit 20', 'the newest twenty'],
    ['sign signatures 0199c1f4-5f0e-4d1a-9c53-5d3c1b7a9e21', 'one, with its records'],
  ],
  export: [
    ['sign export ID --form record', 'the signature file'],
    ['sign export ID --form dsb --output A.dsb', 'the block to append'],
    ['sign export ID --form proof --output A.tlog-proof', 'the proof that it stands in the log'],
  ],
  keys: [['sign keys', 'the keys of this client'], ['sign keys 1001 --form public.pem', 'what belongs on the targets']],
  whoami: [['sign whoami', 'who the server takes this client for']],
  inspect: [['sign inspect A.bff', 'what a file of this machine is'], ["sign inspect --output ndjson 'dist/**/*.bff'", 'many, as a program reads it']],
  'detach-dsb': [['sign detach-dsb A.bff --output A.unsigned.bff', 'a package without its block'], ['sign detach-dsb A.bff --in-place', 'in the place of the package']],
  report: [
    ['sign report --keyid 1001 --since 2026-11-01T00:00:00Z --until 2026-12-01T00:00:00Z --out november.ndjson', 'all that a key signed in November'],
    ['sign report --client release-bot | jq -r .signature.filename', 'the files that were signed for a client'],
  ],
  resign: [
    ['sign resign --from report.ndjson --keyid 1002', 'all that stands in a report, with key 1002; the same again goes on where it stopped'],
    ['sign resign --from report.ndjson --keyid 1002 --upload dist --rate 60', 'with the files of a directory where the server has none, one a second'],
  ],
  'log checkpoint': [['sign log checkpoint', 'the newest state of the log, signed']],
  'log key': [['sign log key > log.pub', 'the public key of the log, to compare and to keep']],
  'log audit': [
    ['sign log audit', 'rebuild the log, and compare with what was seen the last time'],
    ['sign log audit --log-key log.pub', 'with the key that the administrator handed out'],
    ['sign log audit --output json | jq .history', 'as a program reads it'],
  ],
  'log verify': [
    ['sign log verify --log-key log.pub A.tlog-proof', 'a proof'],
    ['sign log verify --log-key log.pub november.ndjson', 'every signature of a report'],
  ],
  'log tile': [['sign log tile 0/000 --output tile', 'the hashes of the first 256 entries'], ['sign log tile entries/000.p/17', 'the first 17 entries']],
}

/** Returns the examples of a command, as they stand below its help; every word has some. */
export function examplesText(word: string): string {
  return `\nExamples:\n${EXAMPLES[word]!.map(([typed, does]) => `  ${typed}\n      ${does}\n`).join('')}`
}
