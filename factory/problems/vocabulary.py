"""Word lists that problems and passages are written with."""

from __future__ import annotations

ENGLISH_WORDS = tuple(
    """apple anchor arrow autumn badge banana barrel basket beach bell berry bird blanket boat book bottle branch bread bridge brush
    bucket butter button cabin cactus camera candle carpet carrot castle chair cheese cherry circle cloud coat coffee copper corn cotton
    cradle crown cup curtain daisy desert desk dish dolphin door dragon drum eagle earth egg engine envelope fabric falcon farm feather
    fence fern field fig finger fire flag flower forest fork fountain fox frog garden gate ghost glass glove goat grape grass guitar
    hammer harbor harvest hat hill honey horse house ice ink island jacket jar jewel jungle kettle key kitchen kite knife ladder lake
    lamp lantern leaf lemon letter library lion lizard magnet mango map marble market meadow melon milk mirror monkey moon mountain
    mouse needle nest night oak ocean olive onion orange oven owl paint palace panda paper parrot peach pear pebble pencil pepper piano
    pillow planet plum pocket pond potato rabbit rain ribbon rice river road rocket roof rope rose sail salt sand scarf school seed
    shadow shell ship shoe silver sky snow soap spoon spring squirrel star stone storm sugar summer sun table tea temple tent tiger
    tomato tower train tree tulip turtle umbrella valley violin wagon wall water whale wheat wheel window winter wolf wood yarn zebra
    """.split()
)

INDONESIAN_WORDS = tuple(
    """air angin apel awan ayam bambu bantal batu bawang bintang buku bulan bunga burung cabai cangkir cincin daun dapur delima domba
    ember emas garam gelas gitar gula gunung hujan hutan ikan jagung jalan jambu jarum jendela jeruk kaca kaki kapal kayu kebun kelapa
    kepala kertas kopi kuda kunci kursi ladang lampu langit laut lemari lilin madu makanan mangga mata meja melati merpati minyak mobil
    nanas nasi obat ombak padi pagar pahlawan pantai pasar pasir payung pedang pensil perahu perak pesawat pintu pisang pohon pulau
    rambut rantai roda roti rumah rumput rusa sabun salju sapi sapu sawah sekolah selimut semangka semut sendok sepatu sepeda singa
    sumur sungai surat taman tanah tangan tangga teh telur tembok tempe tenda tikar timun topi ular uang warung wortel zaitun
    """.split()
)

FIRST_NAMES = tuple(
    """Ana Adi Ayu Bima Budi Citra Clara Dewi Dian Eka Elena Fajar Farah Gita Hana Hadi Indra Intan Joko Julia Kartika Kevin Laras
    Lina Lukas Maya Mira Nadia Nina Omar Oscar Putri Rafi Rama Rina Rosa Sara Sinta Surya Tara Tomas Umar Vera Wati Wayan Yusuf Yuni
    Zahra Anton Bella Carlos Dimas Emma Felix Galih Hugo Irma Jonas Kirana Leo Marta Noah Olga Paula Ratna Sofia Tono Victor
    """.split()
)

CITIES = tuple(
    """Bogor Jakarta Bandung Medan Surabaya Padang Malang Solo Ambon Kupang Manado Palu Denpasar Mataram Jambi Paris London Oslo Lima
    Cairo Delhi Tokyo Rome Madrid Lisbon Vienna Prague Dublin Nairobi Quito Hanoi Manila Seoul Berlin Athens Boston Denver Toronto
    """.split()
)

JOBS = tuple("teacher nurse farmer baker painter pilot doctor singer writer tailor driver cook sailor dancer engineer potter".split())
COLORS = tuple("red blue green yellow white black brown purple orange pink grey silver golden".split())
GIFTS = tuple(
    """scarf book lamp kite basket hat pillow mug painting blanket necklace umbrella notebook vase cake teapot jacket puzzle plant
    clock guitar camera wallet drum
    """.split()
)
