import { createHash } from 'node:crypto'
import t from 'tap'
import { appendLeaves, emptyRange, hashLeaf, hashNode, rangeNodes, rangeRoot, readRange } from '../../../formats/log/merkle.ts'
import type { HashReader } from '../../../formats/log/merkle.ts'
import {
  consistencyNodes, consistencyProof, inclusionNodes, inclusionProof, verifyConsistency, verifyInclusion,
} from '../../../formats/log/merkle-proof.ts'
import { naiveConsistency, naiveInclusion, naiveRoot } from '../../helpers/naive-tree.ts'

// The tree that Certificate Transparency has tested with since RFC 6962: google/certificate-transparency, merkletree/merkle_tree_test.cc,
// and transparency-dev/merkle, testonly/constants.go and testdata/.
const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'].map((hex) => Buffer.from(hex, 'hex'))
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]
const INCLUSION: readonly Readonly<{ index: number; size: number; path: readonly string[] }>[] = [
  { index: 0, size: 1, path: [] },
  { index: 0, size: 8, path: ['96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7', '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e', '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4'] },
  { index: 5, size: 8, path: ['bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b', 'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0', 'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7'] },
  { index: 2, size: 3, path: ['fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125'] },
  { index: 1, size: 5, path: ['6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d', '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e', 'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b'] },
]
const CONSISTENCY: readonly Readonly<{ first: number; second: number; path: readonly string[] }>[] = [
  { first: 1, second: 1, path: [] },
  { first: 1, second: 8, path: ['96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7', '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e', '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4'] },
  { first: 6, second: 8, path: ['0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a', 'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0', 'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7'] },
  { first: 2, second: 5, path: ['5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e', 'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b'] },
  { first: 6, second: 7, path: ['0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a', 'b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f', 'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7'] },
]

const { range, nodes } = appendLeaves(emptyRange(), LEAVES.map(hashLeaf))
const hashes = new Map(nodes.map(({ level, index, hash }) => [`${level}/${index}`, hash]))
const read: HashReader = (level, index) => hashes.get(`${level}/${index}`) as Buffer

const hex = (list: readonly Uint8Array[]): string[] => list.map((hash) => Buffer.from(hash).toString('hex'))
const unhex = (list: readonly string[]): Buffer[] => list.map((text) => Buffer.from(text, 'hex'))
const root = (size: number): Buffer => Buffer.from(ROOTS[size] as string, 'hex')
const garbage = createHash('sha256').update('garbage').digest()

void t.test('leaves and nodes hash as RFC 6962 says, each with its own prefix', async (t) => {
  t.equal(hashLeaf(Buffer.alloc(0)).toString('hex'), ROOTS[1])
  // transparency-dev/merkle, rfc6962/rfc6962_test.go: printf "\x00L123456" | sha256sum, printf "\x01N123N456" | sha256sum
  t.equal(hashLeaf(Buffer.from('L123456')).toString('hex'), '395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56')
  t.equal(hashNode(Buffer.from('N123'), Buffer.from('N456')).toString('hex'), 'aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb')
})

void t.test('the root of the reference tree is the published one at every size', async (t) => {
  let grown = emptyRange()
  for (const [size, want] of ROOTS.entries()) {
    t.equal(rangeRoot(grown).toString('hex'), want, `grown to ${size}`)
    t.equal(rangeRoot(readRange(size, read)).toString('hex'), want, `read at ${size}`)
    t.equal(naiveRoot(LEAVES.slice(0, size)).toString('hex'), want, `naive at ${size}`)
    if (size < LEAVES.length) grown = appendLeaves(grown, [hashLeaf(LEAVES[size] as Buffer)]).range
  }
  t.strictSame(grown, range)
})

void t.test('the right edge has one hash for each 1 in the binary form of the size, also beyond 32 bits', async (t) => {
  t.strictSame(rangeNodes(0), [])
  t.strictSame(rangeNodes(7), [{ level: 2, index: 0 }, { level: 1, index: 2 }, { level: 0, index: 6 }])
  t.strictSame(rangeNodes(2 ** 40 + 2), [{ level: 40, index: 0 }, { level: 1, index: 2 ** 39 }])
  t.equal(rangeNodes(Number.MAX_SAFE_INTEGER).length, 53)
})

void t.test('appending gives each complete subtree once, in the order of completion', async (t) => {
  t.strictSame(nodes.map(({ level, index }) => `${level}/${index}`), [
    '0/0', '0/1', '1/0', '0/2', '0/3', '1/1', '2/0', '0/4', '0/5', '1/2', '0/6', '0/7', '1/3', '2/1', '3/0',
  ])
  t.equal(hashes.get('3/0')?.toString('hex'), ROOTS[8])
  t.strictSame(appendLeaves(range, []), { range, nodes: [] })
})

void t.test('inclusion proofs are the published ones and verify', async (t) => {
  for (const { index, size, path } of INCLUSION) {
    const proof = inclusionProof({ index, size }, read)
    t.strictSame(hex(proof), path, `${index} in ${size}`)
    verifyInclusion({ index, size, leafHash: hashLeaf(LEAVES[index] as Buffer), path: unhex(path), root: root(size) })
  }
})

void t.test('consistency proofs are the published ones and verify', async (t) => {
  for (const { first, second, path } of CONSISTENCY) {
    t.strictSame(hex(consistencyProof({ first, second }, read)), path, `${first} to ${second}`)
    verifyConsistency({ first: { size: first, root: root(first) }, second: { size: second, root: root(second) }, path: unhex(path) })
  }
})

void t.test('the proofs of the tree of seven leaves have the nodes that RFC 6962 lists in section 2.1.3', async (t) => {
  const named: Readonly<Record<string, string>> = {
    a: '0/0', b: '0/1', c: '0/2', d: '0/3', e: '0/4', f: '0/5', j: '0/6', g: '1/0', h: '1/1', i: '1/2', k: '2/0',
  }
  // l = i and j together: no complete subtree, so it is read as the two.
  const places = (letters: string): string[] => letters.split('').flatMap((letter) => (letter === 'l' ? ['1/2', '0/6'] : [named[letter] as string]))
  const spelled = (list: readonly Readonly<{ level: number; index: number }>[]): string[] => list.map(({ level, index }) => `${level}/${index}`)
  for (const [index, letters] of [[0, 'bhl'], [3, 'cgl'], [4, 'fjk'], [6, 'ik']] as const) {
    t.strictSame(spelled(inclusionNodes({ index, size: 7 })), places(letters), `d${index}`)
  }
  for (const [first, letters] of [[3, 'cdgl'], [4, 'l'], [6, 'ijk']] as const) {
    t.strictSame(spelled(consistencyNodes({ first, second: 7 })), places(letters), `hash at ${first}`)
  }
})

void t.test('every proof of the reference tree is what the definitions of the RFC give', async (t) => {
  for (let size = 1; size <= LEAVES.length; size += 1) {
    for (let part = 0; part < size; part += 1) {
      t.strictSame(inclusionProof({ index: part, size }, read), naiveInclusion(part, LEAVES.slice(0, size)))
      t.strictSame(consistencyProof({ first: part + 1, second: size }, read), naiveConsistency(part + 1, LEAVES.slice(0, size)))
    }
  }
})

void t.test('an inclusion proof of anything else is refused', async (t) => {
  for (const { index, size, path } of INCLUSION) {
    const sound = { index, size, leafHash: hashLeaf(LEAVES[index] as Buffer), path: unhex(path), root: root(size) }
    const wrong: readonly (readonly [string, Partial<typeof sound>])[] = [
      ['index + 1', { index: index + 1 }], ['index ^ 2', { index: index ^ 2 }], ['index - 1', { index: index - 1 }], ['no index', { index: 0.5 }],
      ['size * 2', { size: size * 2 }], ['size / 2', { size: Math.floor(size / 2) }], ['size 0', { size: 0 }], ['no size', { size: 2 ** 53 }],
      ['another leaf', { leafHash: garbage }], ['another root', { root: garbage }], ['a short root', { root: root(size).subarray(1) }], ['a short leaf', { leafHash: Buffer.alloc(0) }],
      ['trailing garbage', { path: [...sound.path, garbage] }], ['trailing root', { path: [...sound.path, sound.root] }],
      ['preceding garbage', { path: [garbage, ...sound.path] }], ['preceding root', { path: [sound.root, ...sound.path] }],
      ['no root at the end of nothing', { path: [Buffer.alloc(0)] }],
      ...sound.path.map((_, at) => [`without ${at}`, { path: sound.path.toSpliced(at, 1) }] as const),
      ...sound.path.map((hash, at) => [`a bit of ${at}`, { path: sound.path.with(at, Buffer.from(hash.map((byte, place) => (place === 3 ? byte ^ 8 : byte)))) }] as const),
      ...sound.path.map((hash, at) => [`${at} cut`, { path: sound.path.with(at, hash.subarray(1)) }] as const),
    ]
    for (const [name, changes] of wrong) t.throws(() => verifyInclusion({ ...sound, ...changes }), { name: 'FormatError', code: 'LOG_PROOF_WRONG' }, `${index} in ${size}: ${name}`)
  }
})

void t.test('a consistency proof of anything else is refused', async (t) => {
  for (const { first, second, path } of CONSISTENCY) {
    const sound = { first: { size: first, root: root(first) }, second: { size: second, root: root(second) }, path: unhex(path) }
    const wrong: readonly (readonly [string, Partial<typeof sound>])[] = [
      ['first + 1', { first: { ...sound.first, size: first + 1 } }], ['first ^ 2', { first: { ...sound.first, size: first ^ 2 } }],
      ['second * 2', { second: { ...sound.second, size: second * 2 } }], ['second / 2', { second: { ...sound.second, size: Math.floor(second / 2) } }],
      ['another first root', { first: { ...sound.first, root: garbage } }], ['another second root', { second: { ...sound.second, root: garbage } }],
      ['a short root', { first: { ...sound.first, root: Buffer.alloc(0) } }], ['no size', { second: { ...sound.second, size: 2 ** 53 } }], ['a negative size', { first: { ...sound.first, size: -1 } }],
      ['trailing garbage', { path: [...sound.path, garbage] }], ['preceding garbage', { path: [garbage, ...sound.path] }],
      ['preceding first root', { path: [sound.first.root, ...sound.path] }], ['trailing second root', { path: [...sound.path, sound.second.root] }],
      ['a short hash', { path: [...sound.path, Buffer.alloc(31)] }],
      ...sound.path.map((_, at) => [`without ${at}`, { path: sound.path.toSpliced(at, 1) }] as const),
      ...sound.path.map((hash, at) => [`a bit of ${at}`, { path: sound.path.with(at, Buffer.from(hash.map((byte, place) => (place === 4 ? byte ^ 16 : byte)))) }] as const),
    ]
    for (const [name, changes] of wrong) t.throws(() => verifyConsistency({ ...sound, ...changes }), { name: 'FormatError', code: 'LOG_CONSISTENCY_WRONG' }, `${first} to ${second}: ${name}`)
    if (first < second) {
      t.throws(() => verifyConsistency({ first: sound.second, second: sound.first, path: sound.path }), { code: 'LOG_CONSISTENCY_WRONG' }, 'swapped')
      t.throws(() => verifyConsistency({ ...sound, path: [] }), { code: 'LOG_CONSISTENCY_WRONG' }, 'no proof')
    }
  }
})

void t.test('every tree continues the empty one, with no proof but the right root', async (t) => {
  const empty = { size: 0, root: root(0) }
  const grown = { size: 8, root: root(8) }
  t.strictSame(consistencyProof({ first: 0, second: 8 }, read), [])
  verifyConsistency({ first: empty, second: grown, path: [] })
  verifyConsistency({ first: empty, second: empty, path: [] })
  const wrong = [
    { first: empty, second: grown, path: [garbage] }, { first: empty, second: empty, path: [garbage] },
    { first: { size: 0, root: garbage }, second: grown, path: [] }, { first: { size: 0, root: garbage }, second: { size: 0, root: garbage }, path: [] },
  ]
  for (const claim of wrong) t.throws(() => verifyConsistency(claim), { code: 'LOG_CONSISTENCY_WRONG' })
})

void t.test('sizes and places that no tree has, and hashes that are none, are mistakes of the caller', async (t) => {
  for (const size of [-1, 0.5, 2 ** 53, Number.NaN]) {
    t.throws(() => rangeNodes(size), TypeError)
    t.throws(() => inclusionProof({ index: 0, size }, read), TypeError)
    t.throws(() => consistencyProof({ first: 0, second: size }, read), TypeError)
  }
  for (const index of [-1, 8, 0.5]) t.throws(() => inclusionNodes({ index, size: 8 }), TypeError)
  t.throws(() => consistencyNodes({ first: 8, second: 7 }), TypeError)
  t.throws(() => appendLeaves(range, [Buffer.alloc(31)]), TypeError)
  t.throws(() => appendLeaves({ size: 2 ** 53 - 1, hashes: Array.from({ length: 53 }, () => garbage) }, [garbage]), TypeError)
  t.throws(() => readRange(1, () => Buffer.alloc(33)), TypeError)
  t.throws(() => inclusionProof({ index: 0, size: 2 }, () => Buffer.alloc(0)), TypeError)
})
