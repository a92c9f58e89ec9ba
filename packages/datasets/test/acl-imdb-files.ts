// Small aclImdb archives, made header by header so that they can be wrong on purpose.

/** One entry of a tar archive. */
export interface Entry {
  name: string;
  content?: string;
  /** `0` file, `1` hard link, `2` symbolic link, `5` folder. */
  type?: string;
  link?: string;
  /** Size that the header claims, when it is not that of the content. */
  claims?: number;
}

/** A tar archive of these entries, as they are. */
export function tar(entries: Entry[]): Buffer {
  const blocks: Buffer[] = [];
  for (const { name, content = "", type = "0", link = "", claims } of entries) {
    const body = Buffer.from(content);
    const header = Buffer.alloc(512);
    header.write(name, 0, 100);
    header.write("0000644\0", 100);
    header.write("0000000\0".repeat(2), 108);
    header.write(`${(claims ?? body.length).toString(8).padStart(11, "0")} `, 124);
    header.write("00000000000 ", 136);
    header.write("        ", 148);
    header.write(type, 156);
    header.write(link, 157, 100);
    header.write("ustar\x0000", 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    blocks.push(header, body, Buffer.alloc((512 - (body.length % 512)) % 512));
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

/** An aclImdb archive with reviews of these ids in every folder; the text names its place. */
export function aclImdbTarball(ids: number[]): Buffer {
  const folders = ["train/neg", "train/pos", "train/unsup", "test/neg", "test/pos"];
  const reviews = folders.flatMap((folder) =>
    ids.map((id) => ({ name: `aclImdb/${folder}/${id}_7.txt`, content: `${folder} ${id}` })),
  );
  return tar([{ name: "aclImdb/", type: "5" }, { name: "aclImdb/README", content: "about" }, ...reviews]);
}
