/**
 * The program that is the first process of a process namespace which several containers share: it lets the kernel reap
 * whoever loses its parent (SIGCHLD ignored, signal(7)) and waits for its end, which ends them all. As the first process
 * it takes no other signal than SIGKILL from outside. A file of its own, because an image need not have one, because the
 * machine's would come with libraries, and because 200 bytes are less than any other way to wait.
 */
export function holderProgram(arch: string): Buffer {
  const machine = MACHINES[arch];
  if (!machine) throw new Error(`Cannot hold processes on "${arch}": wanted x64 or arm64`);
  return elfFile(machine.number, Buffer.from(machine.code.join('').replaceAll(' ', ''), 'hex'));
}

interface Machine {
  /** ELF's e_machine. */
  readonly number: number;
  /** One instruction each, in hexadecimal. */
  readonly code: readonly string[];
}

/** A kernel's struct sigaction: SIG_IGN, then nothing. */
const IGNORE = '01' + '00'.repeat(31);

/** By Node's `process.arch`. */
const MACHINES: Readonly<Record<string, Machine>> = {
  x64: {
    number: 62,
    code: [
      'b8 0d000000', // mov eax, 13 (rt_sigaction)
      'bf 11000000', // mov edi, 17 (SIGCHLD)
      '48 8d35 15000000', // lea rsi, [rip + 21] (IGNORE)
      '31 d2', // xor edx, edx
      '41 ba 08000000', // mov r10d, 8 (bytes of a signal set)
      '0f05', // syscall
      'b8 22000000', // mov eax, 34 (pause)
      '0f05', // syscall
      'eb f7', // jmp to the mov before
      '0f0b', // ud2: never reached
      IGNORE,
    ],
  },
  arm64: {
    number: 183,
    code: [
      'c81080d2', // mov x8, 134 (rt_sigaction)
      '200280d2', // mov x0, 17 (SIGCHLD)
      '41010010', // adr x1, +40 (IGNORE)
      '020080d2', // mov x2, 0
      '030180d2', // mov x3, 8 (bytes of a signal set)
      '010000d4', // svc 0
      '000080d2', // mov x0, 0
      '010080d2', // mov x1, 0
      '030080d2', // mov x3, 0
      '280980d2', // mov x8, 73 (ppoll: of nothing, without an end)
      '010000d4', // svc 0
      'fbffff17', // b to the mov of x0
      IGNORE,
    ],
  },
};

const BASE = 0x40_0000n;
const HEADER_BYTES = 64;
const SEGMENT_BYTES = 56;

/** A static program (elf(5)): one segment, the whole file, which may be read and run. */
function elfFile(machine: number, code: Buffer): Buffer {
  const at = HEADER_BYTES + SEGMENT_BYTES;
  const file = Buffer.concat([Buffer.alloc(at), code]);
  const size = BigInt(file.length);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELF, 64 bits, little-endian, version 1
  file.writeUInt16LE(2, 16); // e_type: a program
  file.writeUInt16LE(machine, 18);
  file.writeUInt32LE(1, 20); // e_version
  file.writeBigUInt64LE(BASE + BigInt(at), 24); // e_entry
  file.writeBigUInt64LE(BigInt(HEADER_BYTES), 32); // e_phoff
  file.writeUInt16LE(HEADER_BYTES, 52); // e_ehsize
  file.writeUInt16LE(SEGMENT_BYTES, 54); // e_phentsize
  file.writeUInt16LE(1, 56); // e_phnum
  file.writeUInt32LE(1, HEADER_BYTES); // p_type: loaded
  file.writeUInt32LE(5, HEADER_BYTES + 4); // p_flags: read, run
  file.writeBigUInt64LE(BASE, HEADER_BYTES + 16); // p_vaddr
  file.writeBigUInt64LE(BASE, HEADER_BYTES + 24); // p_paddr
  file.writeBigUInt64LE(size, HEADER_BYTES + 32); // p_filesz
  file.writeBigUInt64LE(size, HEADER_BYTES + 40); // p_memsz
  file.writeBigUInt64LE(0x1000n, HEADER_BYTES + 48); // p_align
  return file;
}
