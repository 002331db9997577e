// Signs a directory from build tooling and writes one signature file.
//
//   npx node examples/sdk.ts DIRECTORY [OUTPUT]
//
// It needs what the `sign` command needs: a server (SIGN_URL, or https://localhost:6000) and the three files that the administrator
// hands out (SIGN_CREDENTIALS, or ~/.ssh/signing-server). In a project of your own, import from 'signing-server'.
import { readFile, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { ConnectionError, createClient, formatSignatureRecord, ProblemError, SIGNATURE_FILE_HEADER } from '../sdk/index.ts'

const [directory = '.', output = 'signatures.txt'] = process.argv.slice(2)
const credentials = process.env['SIGN_CREDENTIALS'] ?? join(homedir(), '.ssh/signing-server')
const pem = async (name: string) => await readFile(join(credentials, name))

await using client = createClient({
  baseUrl: process.env['SIGN_URL'] ?? 'https://localhost:6000',
  ca: await pem('ca.pem'),
  cert: await pem('client.pem'),
  key: await pem('client.key'),
})

const lines = [SIGNATURE_FILE_HEADER]
try {
  // Events arrive as files finish; `client.sign` gives the same as one object, for directories that are not long.
  for await (const event of client.signEvents({ path: resolve(directory) })) {
    if (event.event === 'signature') lines.push(...event.signature.records.map(formatSignatureRecord))
    if (event.event === 'failure') {
      console.error(`${event.name}: ${event.problem.code} ${event.problem.detail}`)
      process.exitCode = 1
    }
    if (event.event === 'end') console.log(`signed ${event.signed}, failed ${event.failed}, skipped ${event.skipped}`)
  }
  await writeFile(output, `${lines.join('\n')}\n`)
} catch (error) {
  if (!(error instanceof ProblemError || error instanceof ConnectionError)) throw error
  console.error(`${error.code}: ${error.message}`)
  process.exitCode = 1
}
