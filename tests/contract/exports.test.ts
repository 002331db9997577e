import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'tap'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { request } from 'undici'
import { ConfigFile } from '../../server/config/schema.ts'

type Manifest = Readonly<{ bin: Record<string, string>; exports: Record<string, string | Record<string, string>>; engines: { node: string }; dependencies: Record<string, string>; files: string[] }>

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest

/** The source that a built file is made from. */
function sourceOf(built: string): string {
  return built.replace(/^(?:\.\/)?dist\//, '').replace(/(?:\.d)?\.[tj]s$/, '.ts')
}

void test('every name the package exports, and every command, has a source', async (t) => {
  const built = [...Object.values(manifest.bin), ...Object.values(manifest.exports).flatMap((target) => (typeof target === 'string' ? [target] : Object.values(target)))]
  for (const path of built) t.ok(existsSync(sourceOf(path)) || existsSync(path), path)
})

void test('the commands of the package are sign and signing-server, and run under env', async (t) => {
  t.strictSame(Object.keys(manifest.bin).toSorted(), ['sign', 'signing-server'])
  for (const path of Object.values(manifest.bin)) t.match(readFileSync(sourceOf(path), 'utf8'), /^#!\/usr\/bin\/env node\n/)
})

for (const [command, built] of Object.entries(manifest.bin)) {
  void test(`${command} on too old a Node names the version to install and loads nothing else`, async (t) => {
    const pretend = `data:text/javascript,${encodeURIComponent('Object.defineProperty(process, "versions", { value: { ...process.versions, node: "22.22.0" } })')}`
    const { status, stderr, stdout } = spawnSync(process.execPath, ['--import', pretend, sourceOf(built), '--version'], { encoding: 'utf8' })
    t.not(status, 0)
    t.equal(stdout, '')
    t.match(stderr, /needs Node 24\.2 or newer/)
    t.match(stderr, /22\.22\.0/)
  })
}

void test('every dependency is pinned to one version, and none but the optional pkcs11js needs a compiler', async (t) => {
  for (const [name, version] of Object.entries(manifest.dependencies)) t.match(version, /^\d+\.\d+\.\d+$/, name)
  const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, { dev?: boolean; hasInstallScript?: boolean; optional?: boolean }> }
  const built = Object.entries(lock.packages).filter(([path, { dev, hasInstallScript }]) => path !== '' && dev !== true && hasInstallScript === true)
  t.strictSame(built.map(([path, { optional }]) => [path, optional]), [['node_modules/pkcs11js', true]], 'npm ci goes on without it')
})

void test('the service port is 6000 and the browser port 6443 unless the configuration says otherwise', async (t) => {
  const { properties } = ConfigFile.properties.listen as unknown as { properties: Record<string, { default: unknown }> }
  t.equal(properties['port']?.default, 6000)
  t.equal(properties['browserPort']?.default, 6443)
})

void test('fetch refuses port 6000, which is why the SDK stands on undici.request and browsers have a port of their own', async (t) => {
  await t.rejects(fetch('http://127.0.0.1:6000/'), { cause: { message: 'bad port' } })
  const server = createServer((_request, response) => response.end('reached')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  // The refusal is about the number alone, so another port shows that fetch itself works here.
  const { port } = server.address() as AddressInfo
  t.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'reached')
  const answer = await request('http://127.0.0.1:6000/').then(() => 'answered', (error: NodeJS.ErrnoException) => error.code)
  t.not(answer, 'bad port', 'undici.request tries port 6000')
})
