import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type * as Sdk from '../../sdk/index.ts'

// What a person writes who does without the command: the files of this machine by their digests, or a directory that the server reads.
// usage: node sdk-program.ts SDK PORT CREDENTIALS digests PATH… | directory PATH

const TOGETHER = 4
const ITEMS = 1000

const [sdkFile = '', port = '', folder = '', kind = '', ...paths] = process.argv.slice(2)
const { createClient, describeFile } = (await import(sdkFile)) as typeof Sdk
const pem = async (name: string) => await readFile(join(folder, name))
await using client = createClient({ baseUrl: `https://localhost:${port}`, cert: await pem('client.pem'), key: await pem('client.key'), ca: await pem('ca.pem') })

console.log(kind === 'digests' ? await signDigests() : await signDirectory(paths[0] as string))

async function signDigests(): Promise<number> {
  const described: Sdk.DescribedFile[] = []
  const left = paths.entries()
  await Promise.all(Array.from({ length: TOGETHER }, async () => {
    for (const [place, path] of left) described[place] = await describeFile(path)
  }))
  let signed = 0
  for (let start = 0; start < described.length; start += ITEMS) {
    const items = described.slice(start, start + ITEMS).map(({ digest, sizeBytes, filename, package: name, ftype, filesets, builtAt }) => ({
      digest, sizeBytes, filename, ...(name === undefined ? {} : { package: name, ftype: ftype!, filesets: filesets!, builtAt: builtAt! }),
    }))
    const answer = await client.sign({ items, force: true })
    signed += answer.items.filter(({ signature }) => signature !== undefined).length
  }
  return signed
}

async function signDirectory(path: string): Promise<number> {
  let signed = 0
  for await (const event of client.signEvents({ path, force: true })) signed += event.event === 'signature' ? 1 : 0
  return signed
}
