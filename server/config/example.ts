/**
 * The annotated configuration that docs/configuration.md shows. It is complete: a test loads it, with the files it names beside it,
 * and finds every section in it.
 */
export const EXAMPLE = `# Every path is relative to the folder of this file.
listen:
  host: 0.0.0.0            # all addresses; the default is loopback
  port: 6000               # curl, the SDK, the sign command
  browserPort: 6443        # the same for browsers, which refuse port 6000
admin:                     # health and metrics; no TLS, so it stays on loopback
  host: 127.0.0.1
  port: 6001
tls:
  cert: tls/server.pem     # the server's certificate and its chain
  key: tls/server.key      # chmod 600
  clientCa: tls/ca.pem     # whose clients may connect
  crl: tls/ca.crl          # which of them may not any more
roots:                     # where clients may name files
  - name: nim
    path: /export/nim/lpp_source
keys:
  - keyid: "1001"          # in quotes: a keyid is text
    kind: file
    path: keys/1001.pem    # encrypted PKCS#8; chmod 600
    passphraseFile: keys/1001.passphrase
    installedPath: /etc/security/certificates/example.pem
signer:
  kind: embedded
  timestamp: { syntax: epoch, source: build }
clients:                   # who is not listed may do nothing
  - name: release-bot
    match: { san: "URI:urn:example:release-bot" }
    allow: [sign, listFiles, verify, findSignatures, getSignature, exportSignature, listKeys, getKey, exportKey, getLogKey]
    keys: ["1001"]
    roots: [nim]
    digestOnly: false      # true: it may have a digest signed whose file the server never saw
  - name: auditor          # looks, never signs
    match: { spkiSha256: 2e3784834c7ea56cf7a380a8636120f723075b0cbfe16b5a3426d69f65f5b82c }
    allow: [listFiles, verify, findSignatures, getSignature, exportSignature, listKeys, getKey, getCheckpoint, getTile, getLogKey, auditLog]
    keys: ["1001"]
    roots: [nim]
    sees: all              # the signatures of every client, and their names
  - name: job-4711         # a credential for one job: docs/policy.md
    match: { san: "URI:urn:example:job-4711" }
    allow: [sign]
    keys: ["1001"]
    roots: []              # it sends its files
    filesets: [PkgA.rte, "PkgA.*.de_DE"]
    maxFileBytes: 1000000
    rate: { windowSeconds: 60, requests: 20 }
    notAfter: "2026-11-24T18:00:00Z"
    maxSignatures: 3
formats:                   # what is signed, by content; without records where it is no installp package
  accept: [installp, compress, rpm]
dsb:
  keyDirectory: /etc/security/certificates/   # every installedPath lies below it
uploadDir: uploads         # room for the uploads that are being signed
store:
  url: sqlite:var/signing.db
transparencyLog:           # the tamper-evident log
  origin: signing.example.com/log   # its name, never changed
  key: var/log.key         # made at the first start
idempotency:
  keepMs: 86400000         # how long an answer can be asked for again
signatureFile: var/signatures   # every record once more, as the signature file of AIX
limits:
  fileBytes: 17179869184
  directoryEntries: 20000
reload:
  pollMs: 1000             # how often changed files are looked for; 0: only at SIGHUP
shutdown:
  deadlineMs: 30000
log:
  level: info
`

/** The same with create_pkgsign in place of a key: what to replace `keys` and `signer` by. */
export const COMMAND_EXAMPLE = `keys:
  - keyid: "1001"
    kind: command
    publicKey: keys/1001.pub.pem
    covers: file           # or unverified, where it is not known what the command signs
signer:
  kind: command
  command: [/usr/sbin/create_pkgsign]
  passin: /etc/security/pswd.file
  timeoutMs: 60000
  concurrency: 2
`
