"""The original server's way of working, written anew to be compared with: one thread, one TLS connection after the other, the path of a
directory in one read, and for each of its files a command run through a shell, whose output is taken from the working directory. Two
kindnesses: it signs every file and not only the first ten, and the command is OpenSSL's, which starts faster than a signing command
with a keystore.

usage: original_server.py CERT KEY SIGNING_KEY; prints its port when it listens; its working directory gets the outputs
"""

import base64
import glob
import json
import os
import shlex
import socket
import ssl
import sys


def sign(path, signing_key):
    command = "openssl dgst -sha256 -sign %s -out signature.out %s" % (shlex.quote(signing_key), shlex.quote(path))
    if os.system(command) != 0:
        raise RuntimeError("the command failed: " + command)
    newest = max(glob.glob("*.out"), key=os.path.getctime)
    with open(newest, "rb") as output:
        return base64.b64encode(output.read()).decode()


def answer(connection, signing_key):
    path = connection.recv(1024).decode()
    names = sorted(os.listdir(path))
    connection.sendall(("List of files in " + path + ":\n" + "\n".join(names) + "\n").encode())
    records = {name: {"signature": sign(os.path.join(path, name), signing_key)} for name in names}
    connection.sendall(json.dumps(records).encode())


def main(cert, key, signing_key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        plain, _address = listener.accept()
        with context.wrap_socket(plain, server_side=True) as connection:
            answer(connection, signing_key)


main(*sys.argv[1:])
